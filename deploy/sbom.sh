# Writes sbom/IMAGE.cdx.json, the CycloneDX bill of materials of each image: what `make lock` has listed. It asks no network.
set -eu
mkdir -p sbom
for image in slim torch; do
  sed '/^#/d' deploy/docker/requirements-$image.txt >sbom/$image.txt
  if [ $image = torch ]; then
    sed '/^#/d' deploy/docker/requirements-data.txt >>sbom/$image.txt
    grep '^torch==' constraints.txt >>sbom/$image.txt  # it has no hash
  fi
  "$1/cyclonedx-py" requirements --output-reproducible --output-format JSON --output-file sbom/$image.cdx.json sbom/$image.txt
  rm sbom/$image.txt
  echo "sbom: wrote sbom/$image.cdx.json"
done
