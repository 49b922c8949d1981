# The cases of tests/data/golden that these operations cover, for both element types and layouts.
#
# Tolerances. u is the unit roundoff of the tensors. A lane of the library takes k <= 16 additions in these cases, m <= 288 values per
# channel: a mean is off by at most E*u*sqrt(10*var), E = 2*(k + 2)/sqrt(m) <= 4.5, sigma by (15*E + 15)*u < 2^7*u relatively (the derivation is in
# tests/support/tolerance.cpp). y, dx and the parameter gradients multiply these by |xhat| < sqrt(m), and by the factors that their scale in
# data/golden/README.md has: with |xhat| <= 7 in these cases 2^10*u bounds the product. A mean in double is off by max|x|/sigma
# units more, which is beside the point for Float32.

struct Case
    scalars::Dict{String,String}
    arrays::Dict{String,Vector{Float64}}
end

function Case(path)
    scalars, arrays = Dict{String,String}(), Dict{String,Vector{Float64}}()
    lines = Iterators.Stateful(eachline(path))
    for line in lines
        words = split(line)
        if words[1] == "array"
            arrays[words[2]] = parse.(Float64, split(popfirst!(lines)))
        else
            scalars[words[1]] = words[2]
        end
    end
    return Case(scalars, arrays)
end

integer(case, key) = parse(Int, case.scalars[key])
real(case, key) = parse(Float64, case.scalars[key])
flag(case, key) = get(case.scalars, key, "0") == "1"
groups(case) = parse(Int, get(case.scalars, "groups", "1"))
array(case, name) = get(case.arrays, name, nothing)
tracks_sigma(case) = get(case.scalars, "track", "var") == "sigma"

const covered = ["bn_train", "brn_train", "bn_infer", "brn_infer", "bn_cumulative", "brn_sequence", "brn_schedule", "bn_groups",
                 "brn_groups", "bn_population"]
is_covered(case) = case.scalars["op"] in covered

const files = filter(endswith(".txt"), readdir(golden_folder))
const cases = filter(pair -> is_covered(pair[2]), [file => Case(joinpath(golden_folder, file)) for file in files])
@test length(cases) == 83

# A case as calls see it: arrays of one element type and layout.
struct Run{T}
    case::Case
    layout::Renorm.Layout
end

per_channel(run::Run{T}, name) where {T} = haskey(run.case.arrays, name) ? Vector{T}(run.case.arrays[name]) : nothing
tensor(run::Run{T}, name) where {T} =
    tensor(T, run.case.arrays[name], integer(run.case, "n"), integer(run.case, "c"), integer(run.case, "s"), run.layout)

function options(run, step = "")
    case = run.case
    order = get(case.scalars, "order", "") == "interleaved" ? Renorm.INTERLEAVED : Renorm.CONTIGUOUS
    o = (layout = run.layout, unbiased = flag(case, "unbiased"), track_sigma = tracks_sigma(case), groups = groups(case), group_order = order,
         relu = flag(case, "relu"))
    haskey(case.scalars, "eps") && (o = merge(o, (eps = real(case, "eps"),)))
    haskey(case.scalars, "momentum") && (o = merge(o, (momentum = real(case, "momentum"),)))
    haskey(case.scalars, step * "rmax") || return o
    return merge(o, (renorm = true, rmax = real(case, step * "rmax"), dmax = real(case, step * "dmax")))
end

deviation(case, running_var) = tracks_sigma(case) ? running_var : sqrt.(running_var .+ real(case, "eps"))
running(run) = per_channel(run, "running_mean"), per_channel(run, tracks_sigma(run.case) ? "running_sigma" : "running_var")
affine(run) = (gamma = per_channel(run, "gamma"), beta = per_channel(run, "beta"))
added(run) = haskey(run.case.arrays, "z") ? tensor(run, "z") : nothing

# Which positions count, as the bytes that a call takes, and of the first positions of each sample as their number, too.
function masks(run)
    flag(run.case, "masked") || return [nothing]
    bytes = UInt8.(reshape(run.case.arrays["mask"], integer(run.case, "s"), integer(run.case, "n")))
    lengths = Int64.(vec(sum(bytes; dims = 1)))
    return bytes == (axes(bytes, 1) .<= lengths') ? [bytes, lengths] : [bytes]
end

# A column for each channel of each group: (m, c*groups) of a tensor, (1, c*groups) of values per channel, or per channel and group.
function by_channel(run, values)
    s, c, n, g = (integer(run.case, key) for key in ("s", "c", "n"))..., groups(run.case)
    is_interleaved = options(run).group_order == Renorm.INTERLEAVED
    samples, order = is_interleaved ? ((g, div(n, g)), (1, 4, 2, 3)) : ((div(n, g), g), (1, 3, 2, 4))
    return reshape(permutedims(reshape(values, s, c, samples...), order), :, c * g)
end
by_channel(run::Run, got::Array{<:Any,3}) = by_channel(run, vec(run.layout == Renorm.WHCN ? got : permutedims(got, (2, 1, 3))))
row(run, values) = reshape(repeat(vec(values), div(integer(run.case, "c") * groups(run.case), length(values))), 1, :)

# The same of an input, where positions that do not count are 0.
function counted(run, name)
    values = reshape(array(run.case, name), integer(run.case, "s"), integer(run.case, "c"), :)
    mask = flag(run.case, "masked") ? reshape(array(run.case, "mask"), integer(run.case, "s"), 1, :) : 1
    return by_channel(run, vec(values .* mask))
end

largest(values) = maximum(abs, values; dims = 1)
total(values) = sum(abs, values; dims = 1)

# One value per channel from its columns.
over_groups(combine, run, columns) = vec(combine(reshape(columns, integer(run.case, "c"), :); dims = 2))

# agrees(run, got, name of what is wanted, its scale and the factor max|x|/sigma, a value for each element or column)
function agrees(run::Run{T}, got, name, scale, spread) where {T}
    want = run.case.arrays[name]
    got, want = ndims(got) == 3 ? (by_channel(run, got), by_channel(run, want)) : (reshape(got, 1, :), reshape(want, 1, :))
    units = T == Float64 ? 1 .+ spread : 1
    allowed = 2^10 * Base.eps(T) / 2 .* units .* (abs.(want) .+ scale) .+ 2 * nextfloat(zero(T))
    @test all(@. (abs(got - want) <= allowed) | (got == T(want)))
end

# step is the prefix of the arrays; sums over groups are off by the sum of what their terms may be off by.
function check_gradients(run, step, gradients, mean, sigma, r, d, spread)
    dx, dgamma, dbeta = gradients
    has_dz = haskey(run.case.arrays, step * "dz")
    @test length(gradients) == 3 + has_dz
    has_dz && agrees(run, gradients[4], step * "dz", 0, 0)
    gamma = something(array(run.case, "gamma"), ones(integer(run.case, "c")))
    x, g = counted(run, step * "x"), counted(run, step * "dy")
    xhat = (x .- row(run, mean)) ./ row(run, sigma)
    agrees(run, dx, step * "dx", abs.(row(run, gamma) .* row(run, r) ./ row(run, sigma)) .* largest(g), spread)
    terms = total(abs.(g) .* (abs.(xhat) .* row(run, r) .+ abs.(row(run, d))))
    summed(columns) = over_groups(sum, run, columns)'
    furthest = over_groups(maximum, run, spread)'
    haskey(run.case.arrays, step * "dgamma") && agrees(run, dgamma, step * "dgamma", summed(terms), furthest)
    haskey(run.case.arrays, step * "dbeta") && agrees(run, dbeta, step * "dbeta", summed(total(g)), furthest)
end

# One training step; step is the prefix of its arrays, updated the name of its new running variance or deviation.
function check_step(run::Run, running_mean, running_var, updated; step = "", mask = nothing, keywords...)
    case, x = run.case, tensor(run, step * "x")
    largest_x = largest(counted(run, step * "x"))
    mean_before, var_before = copy(running_mean), copy(running_var)
    y, saved = Renorm.train(x; running_mean = running_mean, running_var = running_var, mask = mask, z = added(run), affine(run)...,
                            options(run, step)..., keywords...)
    spread = largest_x ./ row(run, saved.sigma)
    agrees(run, y, step * "y", largest(by_channel(run, array(case, step * "y"))), spread)
    agrees(run, saved.mean, step * "mean", largest_x, 0)
    haskey(case.arrays, step * "var") && agrees(run, saved.m2 ./ saved.count', step * "var", 0, 0)
    haskey(case.arrays, step * "sigma_batch") && agrees(run, saved.sigma, step * "sigma_batch", 0, 0)
    haskey(case.scalars, "m") && @test saved.count == fill(integer(case, "m"), groups(case))
    if haskey(case.arrays, step * "r")
        agrees(run, saved.r, step * "r", 0, 0)
        agrees(run, saved.d, step * "d", (largest_x .+ abs.(row(run, mean_before))) ./ row(run, deviation(case, var_before)), 0)
    end
    agrees(run, running_mean, step * "new_running_mean", over_groups(maximum, run, largest_x)', 0)
    agrees(run, running_var, step * updated, 0, 0)
    haskey(case.arrays, step * "dx") || return
    gradients = Renorm.backward(tensor(run, step * "dy"), x, saved; affine(run)..., mask = mask, z = added(run))
    check_gradients(run, step, gradients, saved.mean, saved.sigma, saved.r, saved.d, spread)
end

updated_name(case) = tracks_sigma(case) ? "new_running_sigma" : haskey(case.arrays, "new_running_var_biased") ? "new_running_var_biased" : "new_running_var"

function check_training(run)
    for mask in masks(run)
        check_step(run, running(run)..., updated_name(run.case); mask = mask)
        haskey(run.case.arrays, "new_running_var_unbiased") &&
            check_step(run, running(run)..., "new_running_var_unbiased"; mask = mask, unbiased_running = true)
    end
end

function check_inference(run, running_mean, running_var; step = "", input = step * "x")
    case, x = run.case, tensor(run, input)
    sigma = deviation(case, running_var)
    spread = largest(counted(run, input)) ./ row(run, sigma)
    y = Renorm.inference(x, running_mean, running_var; z = added(run), affine(run)..., options(run)...)
    agrees(run, y, step * "y", largest(by_channel(run, array(case, step * "y"))), spread)
    haskey(case.arrays, step * "dx") || return
    gradients = Renorm.inference_backward(tensor(run, step * "dy"), x, running_mean, running_var; z = added(run), affine(run)...,
                                          options(run)...)
    check_gradients(run, step, gradients, running_mean, sigma, one.(sigma), zero(sigma), spread)
end

function check_sequence(run; updated = updated_name(run.case), keywords...)
    running_mean, running_var = running(run)
    for k in 0:integer(run.case, "steps")-1
        check_step(run, running_mean, running_var, updated; step = "step$k.", keywords...)
    end
    haskey(run.case.arrays, "infer.x") && check_inference(run, running_mean, running_var; step = "infer.")
end

function check_cumulative(run)
    for unbiased in (false, true)
        updated = unbiased ? "new_running_var_unbiased" : "new_running_var_biased"
        check_sequence(run; updated = updated, cumulative = true, unbiased_running = unbiased, num_batches = Ref{Int64}(0))
    end
end

# Statistics of all batches: the average of theirs, and those of all values by the moments of all batches merged.
function check_population(run::Run{T}) where {T}
    case, c = run.case, integer(run.case, "c")
    steps = ["step$k." for k in 0:integer(case, "steps")-1]
    largest_x = largest(reduce(vcat, [counted(run, step * "x") for step in steps]))
    mean, var, batches, pooled = zeros(T, c), zeros(T, c), Ref{Int64}(0), Renorm.Moments(c)
    for step in steps
        _, saved = Renorm.train(tensor(run, step * "x"); running_mean = mean, running_var = var, num_batches = batches, cumulative = true,
                                unbiased_running = true, options(run)...)
        agrees(run, saved.m2 ./ saved.count', step * "var", 0, 0)
        merge!(pooled, Renorm.Moments(saved))
    end
    agrees(run, mean, "population_mean", largest_x, 0)
    agrees(run, var, "population_var", 0, 0)
    check_inference(run, mean, var; step = "population.", input = "step0.x")
    for (unbiased, name) in ((true, "pooled_var_unbiased"), (false, "pooled_var"))
        mean, var = zeros(T, c), zeros(T, c)
        Renorm.update_running!(mean, var, pooled; momentum = 1, unbiased_running = unbiased)
        agrees(run, mean, "pooled_mean", largest_x, 0)
        agrees(run, var, name, 0, 0)
        unbiased || check_inference(run, mean, var; step = "pooled.", input = "step0.x")
    end
end

# A product and a quotient of differences: five roundings.
function check_schedule(run)
    case = run.case
    for (step, rmax, dmax) in zip(array(case, "step"), array(case, "rmax"), array(case, "dmax"))
        got = Renorm.ramp(step; warm = integer(case, "warm"), rmax_end = integer(case, "rmax_end"), dmax_end = integer(case, "dmax_end"),
                          rmax = real(case, "rmax_final"), dmax = real(case, "dmax_final"))
        @test all(abs.(got .- (rmax, dmax)) .<= 5 * Base.eps() / 2 .* (rmax, dmax))
    end
end

const checks = Dict("bn_train" => check_training, "brn_train" => check_training, "bn_groups" => check_training,
                    "brn_groups" => check_training, "bn_cumulative" => check_cumulative, "bn_population" => check_population,
                    "bn_infer" => run -> check_inference(run, running(run)...), "brn_infer" => run -> check_inference(run, running(run)...),
                    "brn_sequence" => check_sequence, "brn_schedule" => check_schedule)

@testset "$name $T $layout" for (name, case) in cases, T in (Float32, Float64), layout in (Renorm.WHCN, Renorm.CWHN)
    checks[case.scalars["op"]](Run{T}(case, layout))
end
