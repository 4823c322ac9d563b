# Kernels renamed since expected.txt was made: s/new name/old name/g, a line each.
