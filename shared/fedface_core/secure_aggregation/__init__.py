"""Secure aggregation of one shard: the aggregator learns the sum of its updates, and no single one (ADR 41).

| step | who | module |
|---|---|---|
| choose how many neighbours a client has, and how many shares give a secret | control | `domain.mask_graph` |
| fix the shard's round, on which keys and masks depend | each for itself | `shard_of_round`, `shard_round`, `neighbours` |
| check that it is as the plan promises | client | `terms` |
| put a key bundle: a public key, and shares of two secrets, sealed for each neighbour | client | `key_bundle`, `shamir` |
| close the sharing of keys: the roster | aggregator | `roster` |
| mask the update | client | `masking_client`; the vectors are `fedface_learning.masking`'s |
| close the round: the accepted set | control | `accepted_set` |
| sign the accepted set, reveal one share for each neighbour | client | `revealing` |
| find the masks that are left in the sum | aggregator | `recovery` |

After Bonawitz et al., *Practical Secure Aggregation for Privacy-Preserving Machine Learning*, CCS 2017, and Bell et al.,
*Secure Single-Server Aggregation with (Poly)Logarithmic Overhead*, CCS 2020.
"""
