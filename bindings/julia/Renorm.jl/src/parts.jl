# The parts that the whole calls are made of, for frameworks and for training on many machines: moments, merge, correction,
# coefficients, apply!, update_running!; backward_reduce, the sum over machines, backward_apply!.

"""
    Renorm.Moments(channels, groups = 1)
    Renorm.Moments(saved)

Statistics of (a part of) a batch: `count[]` values per channel, and per channel their `mean` and `m2 = sum((x - mean)^2)`; with groups, as
in [`Renorm.Saved`](@ref). Those of a training step are in what it saved, whose arrays they share.
"""
struct Moments{N}
    count::Vector{Int64}
    mean::Array{Float64,N}
    m2::Array{Float64,N}
end
Moments(channels::Integer, groups::Integer = 1) = Moments(statistics_size(channels, groups))
Moments(size::Tuple) = Moments(zeros(Int64, groups_of(size)), zeros(size), zeros(size))
Moments(saved::Saved) = Moments(saved.count, saved.mean, saved.m2)

"""
    Renorm.moments!(moments, x; mask, executor, workspace, options...)

Fills a [`Renorm.Moments`](@ref), and returns it.
"""
function moments!(moments::Moments, x::Array{<:Element}; mask = nothing, executor = nothing, workspace = nothing, options...)
    arrays = (x = x, count = moments.count, mean = moments.mean, m2 = moments.m2, mask = mask)
    call(C.renorm_moments_args, Problem(x, Options(; options...); mask = mask), arrays, executor, workspace)
    return moments
end

"""
    moments = Renorm.moments(x; mask, executor, workspace, options...)

[`Renorm.moments!`](@ref) into a new one.
"""
moments(x::Array{<:Element}; layout = WHCN, groups = 1, keywords...) =
    moments!(Moments(channels(x, layout), groups), x; layout = layout, groups = groups, keywords...)

"""
    merge!(moments::Renorm.Moments, other::Renorm.Moments)

Makes `moments` those of both parts of the batch together. The order of merges decides the last bits: keep it fixed.
"""
function Base.merge!(moments::Moments, other::Moments)
    arrays = (count = moments.count, mean = moments.mean, m2 = moments.m2,
              other_count = other.count, other_mean = other.mean, other_m2 = other.m2)
    call(C.renorm_merge_args, Problem(size(moments.mean, 1), Options(groups = length(moments.count))), arrays, nothing, nothing)
    return moments
end

"""
    Renorm.update_running!(running_mean, running_var, moments; num_batches, nonfinite, options...)

The update of the running statistics that [`Renorm.train!`](@ref) ends with. Does nothing if `moments` are of no values.
"""
function update_running!(running_mean, running_var, moments::Moments; num_batches = nothing, nonfinite = nothing, options...)
    problem = Problem(size(moments.mean, 1), Options(; options...); running = (running_mean, running_var))
    arrays = (count = moments.count, mean = moments.mean, m2 = moments.m2, running_mean = running_mean, running_var = running_var,
              num_batches = num_batches, nonfinite = nonfinite)
    call(C.renorm_update_running_args, problem, arrays, nothing, nothing)
    return nothing
end

"""
    Renorm.correction!(saved, moments; running_mean, running_var, sigma_floor = 0, options...)

Fills a [`Renorm.Saved`](@ref) from the moments of the whole batch: sigma, and with `renorm = true` the correction r, d from the
running statistics, whose sigma is raised to `sigma_floor` first (tf-keras: `sqrt(eps)`). Returns it.
"""
function correction!(saved::Saved, moments::Moments; running_mean = nothing, running_var = nothing, sigma_floor = 0, keywords...)
    options = Options(; keywords...)
    problem = Problem(size(moments.mean, 1), options; running = (running_mean, running_var))
    arrays = (count = moments.count, mean = moments.mean, m2 = moments.m2, running_mean = running_mean, running_var = running_var,
              sigma_floor = sigma_floor, sigma = saved.sigma, r = saved.r, d = saved.d)
    sized(saved.mean, size(moments.mean), :mean)
    sized(saved.m2, size(moments.m2), :m2)
    sized(saved.count, size(moments.count), :count)
    call(C.renorm_correction_args, problem, arrays, nothing, nothing)
    copyto!(saved.mean, moments.mean)
    copyto!(saved.m2, moments.m2)
    copyto!(saved.count, moments.count)
    keep(saved, options, nothing, nothing)
    return saved
end

"""
    saved = Renorm.correction(moments; keywords...)

[`Renorm.correction!`](@ref) into a new one.
"""
correction(moments::Moments; keywords...) = correction!(Saved(size(moments.mean)), moments; keywords...)

"""
    Renorm.Coefficients(channels, groups = 1)

A forward pass as an affine map per channel (and group): `y = scale*(x - center) + shift`.
"""
struct Coefficients{N}
    center::Array{Float64,N}
    scale::Array{Float64,N}
    shift::Array{Float64,N}
end
Coefficients(channels::Integer, groups::Integer = 1) = Coefficients(statistics_size(channels, groups))
Coefficients(size::Tuple) = Coefficients(zeros(size), ones(size), zeros(size))

"""
    Renorm.coefficients!(coefficients, saved; gamma, beta, nonfinite)
    Renorm.coefficients!(coefficients, running_mean, running_var; gamma, beta, nonfinite, options...)

The affine map of training, or of inference. Fills a [`Renorm.Coefficients`](@ref), and returns it. `nonfinite`, a `Ref{Int64}(0)`, gets
the number of channels whose map is not finite, as that of a running variance below `-eps`.
"""
function coefficients!(to::Coefficients, saved::Saved; gamma = nothing, beta = nothing, nonfinite = nothing)
    problem = Problem(size(to.center, 1), saved.options; parameters = (gamma, beta))
    arrays = (mean = saved.mean, sigma = saved.sigma, r = saved.r, d = saved.d, gamma = gamma, beta = beta, nonfinite = nonfinite)
    return coefficients!(to, problem, arrays)
end
function coefficients!(to::Coefficients, running_mean::Vector, running_var::Vector; gamma = nothing, beta = nothing, nonfinite = nothing,
                       options...)
    problem = Problem(size(to.center, 1), Options(; options...); parameters = (gamma, beta), running = (running_mean, running_var))
    arrays = (running_mean = running_mean, running_var = running_var, gamma = gamma, beta = beta, nonfinite = nonfinite)
    return coefficients!(to, problem, arrays)
end
function coefficients!(to::Coefficients, problem::Problem, arrays::NamedTuple)
    call(C.renorm_coefficients_args, problem, merge(arrays, (center = to.center, scale = to.scale, shift = to.shift)), nothing, nothing)
    return to
end

"""
    coefficients = Renorm.coefficients(saved; gamma, beta, nonfinite)
    coefficients = Renorm.coefficients(running_mean, running_var; gamma, beta, nonfinite, options...)

[`Renorm.coefficients!`](@ref) into a new one.
"""
coefficients(saved::Saved; keywords...) = coefficients!(Coefficients(size(saved.mean)), saved; keywords...)
coefficients(running_mean::Vector, running_var::Vector; groups = 1, keywords...) =
    coefficients!(Coefficients(length(running_mean), groups), running_mean, running_var; groups = groups, keywords...)

"""
    Renorm.apply!(y, x, coefficients; mask, z, executor, workspace, options...)

`y = scale*(x - center) + shift`, then `z` and the ReLU of `relu = true`; returns `y`, which may be `x` or `z`.
"""
function apply!(y::Array{T}, x::Array{T}, map::Coefficients; mask = nothing, z = nothing, executor = nothing,
                workspace = nothing, options...) where {T<:Element}
    arrays = (x = x, center = map.center, scale = map.scale, shift = map.shift, y = y, mask = mask, z = z)
    call(C.renorm_apply_args, Problem(x, Options(; options...); mask = mask, adds = z !== nothing), arrays, executor, workspace)
    return y
end

"""
    y = Renorm.apply(x, coefficients; keywords...)

[`Renorm.apply!`](@ref) into a new array.
"""
apply(x::Array{<:Element}, map::Coefficients; keywords...) = apply!(similar(x), x, map; keywords...)

"""
    Renorm.Sums(channels, groups = 1)

What the backward pass needs of the whole batch: per channel (and group) `sum_dy = sum(dy)` and `sum_dy_xhat = sum(dy*(x - mean)/sigma)`.
"""
struct Sums{N}
    sum_dy::Array{Float64,N}
    sum_dy_xhat::Array{Float64,N}
end
Sums(channels::Integer, groups::Integer = 1) = Sums(statistics_size(channels, groups))
Sums(size::Tuple) = Sums(zeros(size), zeros(size))

"""
    Renorm.backward_reduce!(sums, dy, x, saved; gamma, beta, mask, z, executor, workspace)

Fills a [`Renorm.Sums`](@ref), and returns it. `gamma`, `beta` and `z` are read with `relu = true` only.
"""
function backward_reduce!(sums::Sums, dy::Array{T}, x::Array{T}, saved::Saved; gamma = nothing, beta = nothing, mask = nothing,
                          z = nothing, executor = nothing, workspace = nothing) where {T<:Element}
    problem = Problem(x, saved; parameters = (gamma, beta), mask = mask, z = z)
    arrays = (x = x, dy = dy, mean = saved.mean, sigma = saved.sigma, sum_dy = sums.sum_dy, sum_dy_xhat = sums.sum_dy_xhat, mask = mask,
              gamma = gamma, beta = beta, r = saved.r, d = saved.d, z = z)
    call(C.renorm_backward_reduce_args, problem, arrays, executor, workspace)
    return sums
end

"""
    sums = Renorm.backward_reduce(dy, x, saved; keywords...)

[`Renorm.backward_reduce!`](@ref) into a new one.
"""
backward_reduce(dy::Array{T}, x::Array{T}, saved::Saved; keywords...) where {T<:Element} =
    backward_reduce!(Sums(size(saved.mean)), dy, x, saved; keywords...)

"""
    Renorm.backward_apply!(dx, dy, x, saved, sums; gamma, beta, dgamma, dbeta, mask, z, dz, executor, workspace)

[`Renorm.backward!`](@ref) of one part of a batch, from the sums over the whole batch.
"""
function backward_apply!(dx, dy::Array{T}, x::Array{T}, saved::Saved, sums::Sums; gamma = nothing, beta = nothing, dgamma = nothing,
                         dbeta = nothing, mask = nothing, z = nothing, dz = nothing, executor = nothing,
                         workspace = nothing) where {T<:Element}
    problem = Problem(x, saved; parameters = (gamma, beta, dgamma, dbeta), mask = mask, z = z, dz = dz)
    arrays = (x = x, dy = dy, gamma = gamma, beta = beta, sum_dy = sums.sum_dy, sum_dy_xhat = sums.sum_dy_xhat, dx = dx, dgamma = dgamma,
              dbeta = dbeta, mask = mask, z = z, dz = dz)
    call(C.renorm_backward_apply_args, problem, merge(arrays, statistics(saved)), executor, workspace)
    return dx
end

"""
    dx, dgamma, dbeta = Renorm.backward_apply(dy, x, saved, sums; gamma, beta, mask, executor, workspace)
    dx, dgamma, dbeta, dz = Renorm.backward_apply(dy, x, saved, sums; z, ...)

[`Renorm.backward_apply!`](@ref) into new arrays.
"""
function backward_apply(dy::Array{T}, x::Array{T}, saved::Saved, sums::Sums; gamma = nothing, z = nothing,
                        keywords...) where {T<:Element}
    dx, others = similar(dy), gradients(dy, size(saved.mean, 1), gamma, z)
    backward_apply!(dx, dy, x, saved, sums; gamma = gamma, z = z, others..., keywords...)
    return (dx, others...)
end

"""
    Renorm.fold!((scale = ..., weights = ..., bias = ...), running_mean, running_var; gamma, beta, weights, dims, bias, nonfinite,
                 options...)

[`Renorm.inference`](@ref) folded into the layer before it: `scale = gamma/sigma`, `weights = scale*weights`,
`bias = scale*(bias - running_mean) + beta`. Writes, and returns, the arrays of its first argument, of which any may be `nothing`;
`weights` and `bias` there may be those of the layer, the keywords. Without weights, `y = scale*x + bias` is the map of inference.

- `dims`: the dimension of `weights` that is the output channels. By default the last, as in Flux's `Conv`, or with
  `layout = Renorm.CWHN` the first, as in its `Dense`. The weights of its `ConvTranspose`, `(W, H, O, I)`, have it last but one:
  `dims = ndims(weights) - 1`. With several groups each group of a transposed convolution is a call of its own
- `nonfinite`: a `Ref{Int64}(0)` that gets the number of channels with a scale or a folded value that is not finite, as those of a running
  variance below `-eps`
"""
function fold!(folded::NamedTuple{(:scale, :weights, :bias)}, running_mean::Vector{R}, running_var::Vector{R}; gamma = nothing,
               beta = nothing, weights = nothing, layout = WHCN, dims = outputs(weights, layout), bias = nothing, nonfinite = nothing,
               options...) where {R<:Element}
    c = length(running_mean)
    size_of, extents = weights === nothing ? ((), (1, c, 0)) : (size(weights), extents_around(dims, weights))
    extents[2] == c || wrong_size(:weights, weights, "one with $c outputs in dimension $dims")
    problem = Problem(element_type(R, weights), size_of, extents, Options(; options...);
                      parameters = (gamma, beta, bias, folded.scale, folded.bias), running = (running_mean,))
    arrays = (gamma = gamma, beta = beta, running_mean = running_mean, running_var = running_var, weights = weights, bias = bias,
              scale = folded.scale, folded_weights = folded.weights, folded_bias = folded.bias, nonfinite = nonfinite)
    call(C.renorm_fold_args, problem, arrays, nothing, nothing)
    return folded
end

outputs(weights, layout) = layout == WHCN && weights !== nothing ? ndims(weights) : 1

# (n, c, s) of weights whose channels are one dimension: whatever that is, the memory is that of WHCN.
function extents_around(dims, weights)
    dims in 1:ndims(weights) || throw(ArgumentError("dims is $dims, not a dimension of weights, which have $(ndims(weights))"))
    c, s = size(weights, dims), stride(weights, dims)
    return div(length(weights), max(c * s, 1)), c, s
end

"""
    (scale, weights, bias) = Renorm.fold(running_mean, running_var; gamma, beta, weights, dims, bias, nonfinite, options...)

[`Renorm.fold!`](@ref) into new arrays; `weights` is `nothing` if none are given.
"""
function fold(running_mean::Vector{R}, running_var::Vector{R}; gamma = nothing, beta = nothing, weights = nothing, bias = nothing,
              keywords...) where {R<:Element}
    P, c = element_type(element_type(R, weights), gamma, beta, bias), length(running_mean)
    folded = (scale = Vector{P}(undef, c), weights = weights === nothing ? nothing : similar(weights), bias = Vector{P}(undef, c))
    return fold!(folded, running_mean, running_var; gamma = gamma, beta = beta, weights = weights, bias = bias, keywords...)
end

"""
    rmax, dmax = Renorm.ramp(step; warm = 5000, rmax_end = 40000, dmax_end = 25000, rmax = 3, dmax = 5)

The paper's schedule (section 4.1): batch norm (1 and 0) up to step `warm`, then linear to `rmax` at step `rmax_end` and to `dmax` at
step `dmax_end`, constant from there.
"""
function ramp(step; warm = 5000, rmax_end = 40000, dmax_end = 25000, rmax = 3, dmax = 5)
    schedule = C.renorm_ramp(warm = warm, rmax_end = rmax_end, dmax_end = dmax_end, rmax_final = rmax, dmax_final = dmax)
    rmax_now, dmax_now = Ref(0.0), Ref(0.0)
    check(C.renorm_ramp_at(schedule, step, rmax_now, dmax_now))
    return rmax_now[], dmax_now[]
end
