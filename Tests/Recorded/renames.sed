# Kernels, operations and stages renamed since expected.txt was made: s/new name/old name/g, a line each.
s/\bbf16_linear/narrow_linear/g
s/\bto_bf16\b/narrow/g
s/\bto_f32\b/widen/g
s/^== precision$/== narrow/
s/^== keep bf16$/== keep narrow/
