#!/bin/sh
# Removes from a virtual environment what no program of the image reads.
#
#   container/trim.sh FOLDER
set -eu
cd "$1"

# Packages' tests, and what compilers and type checkers read.
find . -depth -type d \( -name test -o -name tests -o -name include \) -exec rm -r {} +
find . -type f \( -name '*.[ach]' -o -name '*.cc' -o -name '*.cpp' -o -name '*.hpp' \
  -o -name '*.px[di]' -o -name '*.pyx' -o -name '*.pyi' \) -delete

# Arrow's clients of Flight, S3, Google, Azure and Hadoop, and debugging variants.
find . \( -path '*/pyarrow/*' \( -name '*arrow*_flight*' -o -name '_flight.*' -o -name 'libarrow_s3.*' \
  -o -name '_s3fs.*' -o -name '_gcsfs.*' -o -name '_azurefs.*' -o -name '_hdfs.*' \
  -o -name '_pyarrow_cpp_tests.*' \) \) -delete
find . -name 'libtcm_debug.so*' -delete

# Wheels hold no links, so libNAME.so, libNAME.so.1 and libNAME.so.1.2 are copies there.
find . -name '*.so.*' -type f | sort -r | while read -r file; do
  shorter=${file%.*}
  if [ -f "$shorter" ] && cmp -s "$file" "$shorter"; then
    ln -sf "$(basename "$file")" "$shorter"
  fi
done

# Symbols that only linkers and debuggers read. (Libraries in NAME.libs were changed after they were
# linked, and strip would damage them.)
find . -name '*.so*' -type f ! -path '*.libs/*' -exec strip --strip-unneeded {} +
