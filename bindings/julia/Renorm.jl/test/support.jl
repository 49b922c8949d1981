# What several of the test files need.

const golden_folder = joinpath(@__DIR__, "../../../../tests/data/golden")

# (n, c, s) values with s fastest, as an array of either layout.
function tensor(T, values, n, c, s, layout)
    whcn = reshape(Vector{T}(values), s, c, n)
    return layout == Renorm.WHCN ? whcn : permutedims(whcn, (2, 1, 3))
end

# Values without a pattern that sums could follow, the same in every run.
pattern(T, size...; seed = 1) = T[sin(T(seed) * 12.9898 * i) * 2 + mod(seed * i, 7) for i in LinearIndices(size)]

same_bits(a::Array, b::Array) = size(a) == size(b) && reinterpret(UInt8, vec(a)) == reinterpret(UInt8, vec(b))
same_bits(a::Ref, b::Ref) = a[] === b[]
same_bits(a::Renorm.Options, b::Renorm.Options) = a === b
same_bits(a, b) = all(same_bits(getfield(a, f), getfield(b, f)) for f in fieldnames(typeof(a)))
same_bits(a::Tuple, b::Tuple) = all(map(same_bits, a, b))

# A process of its own that runs a program.
const package = dirname(@__DIR__)
julia(program) = `$(Base.julia_cmd()) --startup-file=no --project=$package -e $program`
