# The whole calls.

"""
    Renorm.Saved(channels, groups = 1)

What a forward pass in training leaves for its backward pass: the options, and per channel `mean`, `sigma` (the root), the correction
`r` and `d` (1 and 0 for batch norm), and `m2 = sum((x - mean)^2)`, as `Float64`; `count` has m, the number of values per channel. With
groups the arrays are of size `(channels, groups)`, and `count` has an element for each group. `masked` and `added` tell whether there was
a `mask` or a `z`.
"""
mutable struct Saved{N}
    options::Options
    mean::Array{Float64,N}
    sigma::Array{Float64,N}
    r::Array{Float64,N}
    d::Array{Float64,N}
    m2::Array{Float64,N}
    count::Vector{Int64}
    masked::Bool
    added::Bool
end
Saved(options, mean, sigma, r, d, m2, count) = Saved(options, mean, sigma, r, d, m2, count, false, false)
Saved(channels::Integer, groups::Integer = 1) = Saved(statistics_size(channels, groups))
Saved(size::Tuple) = Saved(Options(), zeros(size), ones(size), ones(size), zeros(size), zeros(size), zeros(Int64, groups_of(size)))

results(::Nothing) = NamedTuple()
results(saved::Saved) = merge(statistics(saved), (m2 = saved.m2,))
statistics(saved::Saved) = (mean = saved.mean, sigma = saved.sigma, r = saved.r, d = saved.d, count = saved.count)

keep(::Nothing, options, mask, z) = nothing
function keep(saved::Saved, options, mask, z)
    saved.options, saved.masked, saved.added = options, mask !== nothing, z !== nothing
    return nothing
end

# Of a backward pass, which has to have the mask of the forward pass, and behind a ReLU its z.
function Problem(x::Array, saved::Saved; parameters, mask, z, dz = nothing)
    saved.masked && mask === nothing && missing_of_forward(:mask)
    saved.added && saved.options.relu && z === nothing && missing_of_forward(:z)
    return Problem(x, saved.options; parameters = parameters, mask = mask, adds = !(z === dz === nothing))
end

@noinline missing_of_forward(name) = throw(ArgumentError("$name is missing: the forward pass had one"))

"""
    Renorm.train!(y, x; gamma, beta, running_mean, running_var, num_batches, saved, nonfinite, mask, z, executor, workspace, options...)

Forward in training: `y = gamma*(r*(x - mean)/sigma + d) + beta` with the statistics of the batch, and the update of the running
statistics. Returns `y`, which may be `x` or `z`. On the calling thread, that is, without `executor`, it allocates nothing if it has a
[`Renorm.Workspace`](@ref) that has been used before.

- `gamma`, `beta`: a `Vector` with a value per channel, or `nothing` for 1 and 0
- `running_mean`, `running_var`: both or neither; updated. Batch renorm (`renorm = true`) needs them
- `num_batches`: a `Ref{Int64}(0)` that counts the updates; needed with `cumulative = true`
- `saved`: a [`Renorm.Saved`](@ref) to fill for [`Renorm.backward!`](@ref)
- `nonfinite`: a `Ref{Int64}(0)` that gets the number of channels whose statistics, map from `x` to `y`, or updated running statistics
  are not finite
- `mask`: which positions count; `y` is 0 at the others. An array of `UInt8` or `Bool` like `x` without the channels, or a
  `Vector{Int64}` with the length of each sample: so many of its first positions count
- `z`: a tensor that is added to `y`, before the ReLU of `relu = true`
- `executor`: `nothing` for the calling thread, or [`Renorm.threads`](@ref), or your own
- `workspace`: a [`Renorm.Workspace`](@ref); without one the library allocates what it needs for the call
- `options...`: the keywords of [`Renorm.Options`](@ref)

Tensors are `Array{Float32}` or `Array{Float64}`, all of the same size and element type. `gamma` and `beta`, and the running
statistics, have that type too, or `Float64` (a `Float32` mean of 1e4 stops moving at momentum 0.01).
"""
function train!(y::Array{T}, x::Array{T}; gamma = nothing, beta = nothing, running_mean = nothing, running_var = nothing,
                num_batches = nothing, saved = nothing, nonfinite = nothing, mask = nothing, z = nothing, executor = nothing,
                workspace = nothing, keywords...) where {T<:Element}
    options = Options(; keywords...)
    problem = Problem(x, options; parameters = (gamma, beta), running = (running_mean, running_var), mask = mask, adds = z !== nothing)
    arrays = (x = x, gamma = gamma, beta = beta, running_mean = running_mean, running_var = running_var, num_batches = num_batches,
              y = y, nonfinite = nonfinite, mask = mask, z = z)
    call(C.renorm_train_args, problem, merge(arrays, results(saved)), executor, workspace)
    keep(saved, options, mask, z)
    return y
end

"""
    y, saved = Renorm.train(x; keywords...)

[`Renorm.train!`](@ref) into new arrays.
"""
function train(x::Array{<:Element}; layout = WHCN, groups = 1, keywords...)
    y, saved = similar(x), Saved(channels(x, layout), groups)
    train!(y, x; saved = saved, layout = layout, groups = groups, keywords...)
    return y, saved
end

"""
    Renorm.inference!(y, x, running_mean, running_var; gamma, beta, nonfinite, mask, z, executor, workspace, options...)

`y = gamma*(x - running_mean)/sigma + beta` with `sigma = sqrt(running_var + eps)`, or `running_var` itself with
`track_sigma = true`. Returns `y`, which may be `x` or `z`. Arrays and keywords are those of [`Renorm.train!`](@ref); `nonfinite` gets the
number of channels whose map from `x` to `y` is not finite, as that of a running variance below `-eps`.
"""
function inference!(y::Array{T}, x::Array{T}, running_mean, running_var; gamma = nothing, beta = nothing, nonfinite = nothing,
                    mask = nothing, z = nothing, executor = nothing, workspace = nothing, options...) where {T<:Element}
    problem = Problem(x, Options(; options...); parameters = (gamma, beta), running = (running_mean, running_var), mask = mask,
                      adds = z !== nothing)
    arrays = (x = x, gamma = gamma, beta = beta, running_mean = running_mean, running_var = running_var, y = y, nonfinite = nonfinite,
              mask = mask, z = z)
    call(C.renorm_inference_args, problem, arrays, executor, workspace)
    return y
end

"""
    y = Renorm.inference(x, running_mean, running_var; keywords...)

[`Renorm.inference!`](@ref) into a new array.
"""
inference(x::Array{<:Element}, running_mean, running_var; keywords...) = inference!(similar(x), x, running_mean, running_var; keywords...)

"""
    Renorm.backward!(dx, dy, x, saved; gamma, beta, dgamma, dbeta, mask, z, dz, executor, workspace)

Backward of [`Renorm.train!`](@ref), with the options that it left in `saved` and the `mask` and `z` that it had; r and d are constants
(the paper, section 3). Writes `dx`, `dgamma`, `dbeta` and `dz` as far as they are not `nothing`, and returns `dx`, which may be `dy` or
`x`; `dz` may be `dy` or `z`, and needs `dx`. `beta` is read with `relu = true` only.
"""
function backward!(dx, dy::Array{T}, x::Array{T}, saved::Saved; gamma = nothing, beta = nothing, dgamma = nothing, dbeta = nothing,
                   mask = nothing, z = nothing, dz = nothing, executor = nothing, workspace = nothing) where {T<:Element}
    problem = Problem(x, saved; parameters = (gamma, beta, dgamma, dbeta), mask = mask, z = z, dz = dz)
    arrays = (x = x, dy = dy, gamma = gamma, beta = beta, dx = dx, dgamma = dgamma, dbeta = dbeta, mask = mask, z = z, dz = dz)
    call(C.renorm_backward_args, problem, merge(arrays, statistics(saved)), executor, workspace)
    return dx
end

# What is written beside dx: dgamma, dbeta, and dz where there is a z.
function gradients(dy, channels, gamma, z)
    P = element_type(eltype(dy), gamma)
    of_parameters = (dgamma = Vector{P}(undef, channels), dbeta = Vector{P}(undef, channels))
    return z === nothing ? of_parameters : merge(of_parameters, (dz = similar(dy),))
end

"""
    dx, dgamma, dbeta = Renorm.backward(dy, x, saved; gamma, beta, mask, executor, workspace)
    dx, dgamma, dbeta, dz = Renorm.backward(dy, x, saved; z, ...)

[`Renorm.backward!`](@ref) into new arrays.
"""
function backward(dy::Array{T}, x::Array{T}, saved::Saved; gamma = nothing, z = nothing, keywords...) where {T<:Element}
    dx, others = similar(dy), gradients(dy, size(saved.mean, 1), gamma, z)
    backward!(dx, dy, x, saved; gamma = gamma, z = z, others..., keywords...)
    return (dx, others...)
end

"""
    Renorm.inference_backward!(dx, dy, x, running_mean, running_var; gamma, beta, dgamma, dbeta, mask, z, dz, executor, workspace,
                               options...)

Backward of [`Renorm.inference!`](@ref), frozen statistics: `dx = gamma/sigma*dy`, `dgamma = sum(dy*(x - running_mean)/sigma)`,
`dbeta = sum(dy)`. `x` may be `nothing` where `dgamma` is, without ReLU. Otherwise as [`Renorm.backward!`](@ref).
"""
function inference_backward!(dx, dy::Array{<:Element}, x, running_mean, running_var; gamma = nothing, beta = nothing,
                             dgamma = nothing, dbeta = nothing, mask = nothing, z = nothing, dz = nothing, executor = nothing,
                             workspace = nothing, options...)
    problem = Problem(dy, Options(; options...); parameters = (gamma, beta, dgamma, dbeta), running = (running_mean, running_var),
                      mask = mask, adds = !(z === dz === nothing))
    arrays = (x = x, dy = dy, gamma = gamma, beta = beta, running_mean = running_mean, running_var = running_var, dx = dx,
              dgamma = dgamma, dbeta = dbeta, mask = mask, z = z, dz = dz)
    call(C.renorm_inference_backward_args, problem, arrays, executor, workspace)
    return dx
end

"""
    dx, dgamma, dbeta = Renorm.inference_backward(dy, x, running_mean, running_var; gamma, keywords...)
    dx, dgamma, dbeta, dz = Renorm.inference_backward(dy, x, running_mean, running_var; z, ...)

[`Renorm.inference_backward!`](@ref) into new arrays.
"""
function inference_backward(dy::Array{<:Element}, x, running_mean, running_var; gamma = nothing, z = nothing, layout = WHCN,
                            keywords...)
    dx, others = similar(dy), gradients(dy, channels(dy, layout), gamma, z)
    inference_backward!(dx, dy, x, running_mean, running_var; gamma = gamma, z = z, layout = layout, others..., keywords...)
    return (dx, others...)
end

"""
    y, back = Renorm.pullback(x; gamma, beta, mask, z, executor, keywords...)

[`Renorm.train`](@ref) and its gradient: `dx, dgamma, dbeta = back(dy)`, and `dz` after them where there is a `z`. The arrays must not
change in between. A rule for ChainRules:

    function ChainRulesCore.rrule(::typeof(layer), x, gamma, beta)
        y, back = Renorm.pullback(x; gamma = gamma, beta = beta)
        return y, dy -> (NoTangent(), back(unthunk(dy))...)
    end
"""
function pullback(x::Array{T,N}; gamma = nothing, beta = nothing, mask = nothing, z = nothing, executor = nothing,
                  keywords...) where {T<:Element,N}
    shared = (gamma = gamma, beta = beta, mask = mask, z = z, executor = executor)
    y, saved = train(x; shared..., keywords...)
    back(dy) = backward(convert(Array{T,N}, dy), x, saved; shared...)
    return y, back
end
