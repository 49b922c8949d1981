# The cases of tests/data/golden, for both element types and layouts, on every instruction set.
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

# One of several parts, whose keys and arrays begin with a prefix: what it does not have of its own is that of the whole.
function part(case, prefix)
    own(dict) = merge(dict, Dict(name[length(prefix)+1:end] => value for (name, value) in dict if startswith(name, prefix)))
    return Case(own(case.scalars), own(case.arrays))
end
parts(case, count, prefix) = [part(case, "$prefix$k.") for k in 0:integer(case, count)-1]

# The same, whose running statistics are one of two sets: set_mean and set_stddev.
function with_set(case, set)
    names = [age => to => from for age in ("", "new_") for (to, from) in ("running_mean" => "mean", "running_sigma" => "stddev")]
    chosen = Dict(age * to => case.arrays["$(age)$(set)_$from"] for (age, (to, from)) in names)
    return Case(merge(case.scalars, Dict("track" => "sigma")), merge(case.arrays, chosen))
end

const files = filter(endswith(".txt"), readdir(golden_folder))
const cases = [file => Case(joinpath(golden_folder, file)) for file in files]
@test length(cases) == 88

# A case as calls see it: arrays of one element type and layout.
struct Run{T}
    case::Case
    layout::Renorm.Layout
end

per_channel(run::Run{T}, name) where {T} = haskey(run.case.arrays, name) ? Vector{T}(run.case.arrays[name]) : nothing
tensor(run::Run{T}, name) where {T} =
    tensor(T, run.case.arrays[name], integer(run.case, "n"), integer(run.case, "c"), integer(run.case, "s"), run.layout)

function options(run)
    case = run.case
    order = get(case.scalars, "order", "") == "interleaved" ? Renorm.INTERLEAVED : Renorm.CONTIGUOUS
    o = (layout = run.layout, unbiased = flag(case, "unbiased"), track_sigma = tracks_sigma(case), groups = groups(case), group_order = order,
         relu = flag(case, "relu"))
    haskey(case.scalars, "eps") && (o = merge(o, (eps = real(case, "eps"),)))
    haskey(case.scalars, "momentum") && (o = merge(o, (momentum = real(case, "momentum"),)))
    haskey(case.scalars, "rmin") && (o = merge(o, (rmin = real(case, "rmin"),)))
    haskey(case.scalars, "rmax") || return o
    return merge(o, (renorm = true, rmax = real(case, "rmax"), dmax = real(case, "dmax")))
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

# Sums over groups are off by the sum of what their terms may be off by.
function check_gradients(run, gradients, mean, sigma, r, d)
    dx, dgamma, dbeta = gradients
    has_dz = haskey(run.case.arrays, "dz")
    @test length(gradients) == 3 + has_dz
    has_dz && agrees(run, gradients[4], "dz", 0, 0)
    gamma = something(array(run.case, "gamma"), ones(integer(run.case, "c")))
    x, g = counted(run, "x"), counted(run, "dy")
    spread = largest(x) ./ row(run, sigma)
    xhat = (x .- row(run, mean)) ./ row(run, sigma)
    agrees(run, dx, "dx", abs.(row(run, gamma) .* row(run, r) ./ row(run, sigma)) .* largest(g), spread)
    terms = total(abs.(g) .* (abs.(xhat) .* row(run, r) .+ abs.(row(run, d))))
    summed(columns) = over_groups(sum, run, columns)'
    furthest = over_groups(maximum, run, spread)'
    haskey(run.case.arrays, "dgamma") && agrees(run, dgamma, "dgamma", summed(terms), furthest)
    haskey(run.case.arrays, "dbeta") && agrees(run, dbeta, "dbeta", summed(total(g)), furthest)
end
check_gradients(run, gradients, saved::Renorm.Saved) = check_gradients(run, gradients, saved.mean, saved.sigma, saved.r, saved.d)

# updated: the name of the new running variance or deviation.
function check_running(run, running_mean, running_var, updated)
    agrees(run, running_mean, "new_running_mean", over_groups(maximum, run, largest(counted(run, "x")))', 0)
    agrees(run, running_var, updated, 0, 0)
end

# sigma_before: the deviation that d is relative to.
function check_forward(run, y, saved, mean_before, sigma_before)
    case, largest_x = run.case, largest(counted(run, "x"))
    agrees(run, y, "y", largest(by_channel(run, array(case, "y"))), largest_x ./ row(run, saved.sigma))
    agrees(run, saved.mean, "mean", largest_x, 0)
    agrees(run, saved.m2 ./ saved.count', "var", 0, 0)
    haskey(case.arrays, "sigma_batch") && agrees(run, saved.sigma, "sigma_batch", 0, 0)
    @test saved.count == fill(integer(case, "m"), groups(case))
    if haskey(case.arrays, "r")
        agrees(run, saved.r, "r", 0, 0)
        agrees(run, saved.d, "d", (largest_x .+ abs.(row(run, mean_before))) ./ row(run, sigma_before), 0)
    end
end

# One training step.
function check_step(run::Run, running_mean, running_var, updated; mask = nothing, keywords...)
    x, mean_before, sigma_before = tensor(run, "x"), copy(running_mean), deviation(run.case, copy(running_var))
    y, saved = Renorm.train(x; running_mean = running_mean, running_var = running_var, mask = mask, z = added(run), affine(run)...,
                            options(run)..., keywords...)
    check_forward(run, y, saved, mean_before, sigma_before)
    check_running(run, running_mean, running_var, updated)
    haskey(run.case.arrays, "dx") || return
    check_gradients(run, Renorm.backward(tensor(run, "dy"), x, saved; affine(run)..., mask = mask, z = added(run)), saved)
end

# Options for the running statistics, and the name of the new variance or deviation that they lead to.
function feeds(case)
    tracks_sigma(case) && return [(NamedTuple(), "new_running_sigma")]
    biased = (NamedTuple(), "new_running_var_biased")
    return haskey(case.arrays, "new_running_var_unbiased") ? [biased, ((unbiased_running = true,), "new_running_var_unbiased")] : [biased]
end

function check_training(run)
    for mask in masks(run), (feed, updated) in feeds(run.case)
        check_step(run, running(run)..., updated; mask = mask, feed...)
    end
end

function check_inference(run, running_mean, running_var)
    case, x = run.case, tensor(run, "x")
    sigma = deviation(case, running_var)
    y = Renorm.inference(x, running_mean, running_var; z = added(run), affine(run)..., options(run)...)
    agrees(run, y, "y", largest(by_channel(run, array(case, "y"))), largest(counted(run, "x")) ./ row(run, sigma))
    haskey(case.arrays, "dx") || return
    gradients = Renorm.inference_backward(tensor(run, "dy"), x, running_mean, running_var; z = added(run), affine(run)...,
                                          options(run)...)
    check_gradients(run, gradients, running_mean, sigma, one.(sigma), zero(sigma))
end

function check_steps(run::Run{T}, updated; keywords...) where {T}
    running_mean, running_var = running(run)
    for step in parts(run.case, "steps", "step")
        check_step(Run{T}(step, run.layout), running_mean, running_var, updated; keywords...)
    end
    return running_mean, running_var
end

function check_sequence(run::Run{T}) where {T}
    state = check_steps(run, "new_" * (tracks_sigma(run.case) ? "running_sigma" : "running_var"))
    check_inference(Run{T}(part(run.case, "infer."), run.layout), state...)
end

function check_cumulative(run)
    for (unbiased, updated) in ((false, "new_running_var_biased"), (true, "new_running_var_unbiased"))
        check_steps(run, updated; cumulative = true, unbiased_running = unbiased, num_batches = Ref{Int64}(0))
    end
end

# Statistics of all batches: the average of theirs, and those of all values by the moments of all batches merged.
function check_population(run::Run{T}) where {T}
    case, c = run.case, integer(run.case, "c")
    steps = [Run{T}(step, run.layout) for step in parts(case, "steps", "step")]
    largest_x = largest(reduce(vcat, [counted(step, "x") for step in steps]))
    mean, var, batches, pooled = zeros(T, c), zeros(T, c), Ref{Int64}(0), Renorm.Moments(c)
    for step in steps
        _, saved = Renorm.train(tensor(step, "x"); running_mean = mean, running_var = var, num_batches = batches, cumulative = true,
                                unbiased_running = true, options(step)...)
        agrees(step, saved.m2 ./ saved.count', "var", 0, 0)
        merge!(pooled, Renorm.Moments(saved))
    end
    infer(name) = check_inference(Run{T}(part(steps[1].case, name), run.layout), mean, var)
    agrees(run, mean, "population_mean", largest_x, 0)
    agrees(run, var, "population_var", 0, 0)
    infer("population.")
    for (unbiased, name) in ((true, "pooled_var_unbiased"), (false, "pooled_var"))
        Renorm.update_running!(mean, var, pooled; momentum = 1, unbiased_running = unbiased)
        agrees(run, mean, "pooled_mean", largest_x, 0)
        agrees(run, var, name, 0, 0)
    end
    infer("pooled.")
end

# Two sets of running statistics: those of the correction, whose sigma has a floor, and those of inference.
function check_keras_sequence(run::Run{T}) where {T}
    case, eps = run.case, real(run.case, "eps")
    of(step, set) = Run{T}(with_set(step, set), run.layout)
    steps = parts(case, "steps", "step")
    (mean, sigma), (moving_mean, moving_sigma) = (running(of(steps[1], set)) for set in ("renorm", "moving"))
    for step in steps
        renorm, moving = of(step, "renorm"), of(step, "moving")
        x, dy = tensor(renorm, "x"), tensor(renorm, "dy")
        o = merge(options(renorm), (momentum = real(case, "renorm_momentum"),))
        moments = Renorm.moments(x; o...)
        saved = Renorm.correction(moments; running_mean = mean, running_var = sigma, sigma_floor = sqrt(eps), o...)
        y = Renorm.apply(x, Renorm.coefficients(saved; affine(renorm)...); o...)
        check_forward(renorm, y, saved, mean, max.(sigma, sqrt(eps)))
        check_gradients(renorm, Renorm.backward(dy, x, saved; affine(renorm)...), saved)
        Renorm.update_running!(mean, sigma, moments; o...)
        check_running(renorm, mean, sigma, "new_running_sigma")
        Renorm.update_running!(moving_mean, moving_sigma, moments; options(moving)...)
        check_running(moving, moving_mean, moving_sigma, "new_running_sigma")
    end
    check_inference(Run{T}(part(case, "infer."), run.layout), moving_mean, T.(max.(0, Float64.(moving_sigma) .^ 2 .- eps)))
end

# A batch in one piece, and in shards, which may be empty. The batch is the last dimension.
function check_sync(run::Run{T}) where {T}
    pieces = parts(run.case, "shards", "shard")
    joined = Dict(name => reduce(vcat, [piece.arrays[name] for piece in pieces]) for name in ("x", "dy", "y", "dx"))
    whole = Run{T}(Case(run.case.scalars, merge(run.case.arrays, joined)), run.layout)
    shards = [Run{T}(piece, run.layout) for piece in pieces]
    join(tensors) = cat(tensors...; dims = 3)
    for (feed, updated) in feeds(whole.case)
        check_step(whole, running(whole)..., updated; feed...)
        o, (mean, var) = merge(options(whole), feed), running(whole)
        moments = reduce(merge!, [Renorm.moments(tensor(shard, "x"); o...) for shard in shards])
        saved = Renorm.correction(moments; running_mean = mean, running_var = var, o...)
        map = Renorm.coefficients(saved; affine(whole)...)
        check_forward(whole, join([Renorm.apply(tensor(shard, "x"), map; o...) for shard in shards]), saved, mean, deviation(whole.case, var))
        sums = [Renorm.backward_reduce(tensor(shard, "dy"), tensor(shard, "x"), saved) for shard in shards]
        total = Renorm.Sums(sum(part.sum_dy for part in sums), sum(part.sum_dy_xhat for part in sums))
        gradients = [Renorm.backward_apply(tensor(shard, "dy"), tensor(shard, "x"), saved, total; gamma = affine(whole).gamma)
                     for shard in shards]
        for (_, dgamma, dbeta) in gradients  # each shard has those of the whole batch
            check_gradients(whole, (join(first.(gradients)), dgamma, dbeta), saved)
        end
        Renorm.update_running!(mean, var, moments; o...)
        check_running(whole, mean, var, updated)
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
                    "brn_sequence" => check_sequence, "brn_keras_sequence" => check_keras_sequence, "bn_sync" => check_sync,
                    "brn_sync" => check_sync, "brn_schedule" => check_schedule)

# The instruction sets that the library has for this processor, the best one last.
usable(isa) = Renorm.C.renorm_set_max_isa(isa) == Renorm.C.RENORM_OK && Renorm.C.renorm_active_isa() == isa
const isas = filter(usable, getfield.(Ref(Renorm.C), [:RENORM_ISA_SCALAR, :RENORM_ISA_SSE2, :RENORM_ISA_AVX2, :RENORM_ISA_AVX512,
                                                      :RENORM_ISA_NEON64]))
@test last(isas) == Renorm.best_isa().value

# Of an op that is not among the checks, the test is an error.
@testset "$isa $name $T $layout" for isa in Renorm.ISA.(isas), (name, case) in cases, T in (Float32, Float64),
                                     layout in (Renorm.WHCN, Renorm.CWHN)
    Renorm.set_max_isa(isa)
    checks[case.scalars["op"]](Run{T}(case, layout))
end
