"""The laboratory: demonstration, data preparation, pre-training, evaluation and studies, as commands of `fedface`."""
