# The whole calls.

"""
    Renorm.Saved(channels, groups = 1)

What a forward pass in training leaves for its backward pass: the options, and per channel `mean`, `sigma` (the root), the correction
`r` and `d` (1 and 0 for batch norm), and `m2 = sum((x - mean)^2)`, as `Float64`; `count` has m, the number of values per channel. With
groups the arrays are of size `(channels, groups)`, and `count` has an element for each group.
"""
mutable struct Saved{N}
    options::Options
    mean::Array{Float64,N}
    sigma::Array{Float64,N}
    r::Array{Float64,N}
    d::Array{Float64,N}
    m2::Array{Float64,N}
    count::Vector{Int64}
end
Saved(channels::Integer, groups::Integer = 1) = Saved(statistics_size(channels, groups))
Saved(size::Tuple) = Saved(Options(), zeros(size), ones(size), ones(size), zeros(size), zeros(size), zeros(Int64, groups_of(size)))

results(::Nothing) = NamedTuple()
results(saved::Saved) = merge(statistics(saved), (m2 = saved.m2,))
statistics(saved::Saved) = (mean = saved.mean, sigma = saved.sigma, r = saved.r, d = saved.d, count = saved.count)

keep(::Nothing, options) = nothing
keep(saved::Saved, options) = saved.options = options

"""
    Renorm.train!(y, x; gamma, beta, running_mean, running_var, num_batches, saved, nonfinite, mask, executor, workspace, options...)

Forward in training: `y = gamma*(r*(x - mean)/sigma + d) + beta` with the statistics of the batch, and the update of the running
statistics. Returns `y`, which may be `x`. Allocates nothing, if it has a [`Renorm.Workspace`](@ref) that has been used before.

- `gamma`, `beta`: a `Vector` with a value per channel, or `nothing` for 1 and 0
- `running_mean`, `running_var`: both or neither; updated. Batch renorm (`renorm = true`) needs them
- `num_batches`: a `Ref{Int64}(0)` that counts the updates; needed with `cumulative = true`
- `saved`: a [`Renorm.Saved`](@ref) to fill for [`Renorm.backward!`](@ref)
- `nonfinite`: a `Ref{Int64}(0)` that gets the number of channels whose statistics are not finite
- `mask`: which positions count; `y` is 0 at the others. An array of `UInt8` or `Bool` like `x` without the channels, or a
  `Vector{Int64}` with the length of each sample: so many of its first positions count
- `executor`: `nothing` for the calling thread, or [`Renorm.threads`](@ref), or your own
- `workspace`: a [`Renorm.Workspace`](@ref); without one the library allocates what it needs for the call
- `options...`: the keywords of [`Renorm.Options`](@ref)

Tensors are `Array{Float32}` or `Array{Float64}`, all of the same size and element type. `gamma` and `beta`, and the running
statistics, have that type too, or `Float64` (a `Float32` mean of 1e4 stops moving at momentum 0.01).
"""
function train!(y::Array{T}, x::Array{T}; gamma = nothing, beta = nothing, running_mean = nothing, running_var = nothing,
                num_batches = nothing, saved = nothing, nonfinite = nothing, mask = nothing, executor = nothing, workspace = nothing,
                keywords...) where {T<:Element}
    options = Options(; keywords...)
    problem = Problem(x, options; parameters = (gamma, beta), running = (running_mean, running_var), mask = mask)
    arrays = (x = x, gamma = gamma, beta = beta, running_mean = running_mean, running_var = running_var, num_batches = num_batches,
              y = y, nonfinite = nonfinite, mask = mask)
    call(C.renorm_train_args, problem, merge(arrays, results(saved)), executor, workspace)
    keep(saved, options)
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
    Renorm.inference!(y, x, running_mean, running_var; gamma, beta, mask, executor, workspace, options...)

`y = gamma*(x - running_mean)/sigma + beta` with `sigma = sqrt(running_var + eps)`, or `running_var` itself with
`track_sigma = true`. Returns `y`, which may be `x`. Arrays and keywords are those of [`Renorm.train!`](@ref).
"""
function inference!(y::Array{T}, x::Array{T}, running_mean, running_var; gamma = nothing, beta = nothing, mask = nothing,
                    executor = nothing, workspace = nothing, options...) where {T<:Element}
    problem = Problem(x, Options(; options...); parameters = (gamma, beta), running = (running_mean, running_var), mask = mask)
    arrays = (x = x, gamma = gamma, beta = beta, running_mean = running_mean, running_var = running_var, y = y, mask = mask)
    call(C.renorm_inference_args, problem, arrays, executor, workspace)
    return y
end

"""
    y = Renorm.inference(x, running_mean, running_var; keywords...)

[`Renorm.inference!`](@ref) into a new array.
"""
inference(x::Array{<:Element}, running_mean, running_var; keywords...) = inference!(similar(x), x, running_mean, running_var; keywords...)

"""
    Renorm.backward!(dx, dy, x, saved; gamma, dgamma, dbeta, mask, executor, workspace)

Backward of [`Renorm.train!`](@ref), with the options that it left in `saved` and the `mask` that it had; r and d are constants (the
paper, section 3). Writes `dx`, `dgamma` and `dbeta` as far as they are not `nothing`, and returns `dx`, which may be `dy` or `x`.
"""
function backward!(dx, dy::Array{T}, x::Array{T}, saved::Saved; gamma = nothing, dgamma = nothing, dbeta = nothing, mask = nothing,
                   executor = nothing, workspace = nothing) where {T<:Element}
    problem = Problem(x, saved.options; parameters = (gamma, dgamma, dbeta), mask = mask)
    arrays = (x = x, dy = dy, gamma = gamma, dx = dx, dgamma = dgamma, dbeta = dbeta, mask = mask)
    call(C.renorm_backward_args, problem, merge(arrays, statistics(saved)), executor, workspace)
    return dx
end

# dx, dgamma and dbeta to be written.
function gradients(dy, channels, gamma)
    P = element_type(eltype(dy), gamma)
    return similar(dy), Vector{P}(undef, channels), Vector{P}(undef, channels)
end

"""
    dx, dgamma, dbeta = Renorm.backward(dy, x, saved; gamma, mask, executor, workspace)

[`Renorm.backward!`](@ref) into new arrays.
"""
function backward(dy::Array{T}, x::Array{T}, saved::Saved; gamma = nothing, keywords...) where {T<:Element}
    dx, dgamma, dbeta = gradients(dy, size(saved.mean, 1), gamma)
    backward!(dx, dy, x, saved; gamma = gamma, dgamma = dgamma, dbeta = dbeta, keywords...)
    return dx, dgamma, dbeta
end

"""
    Renorm.inference_backward!(dx, dy, x, running_mean, running_var; gamma, dgamma, dbeta, mask, executor, workspace, options...)

Backward of [`Renorm.inference!`](@ref), frozen statistics: `dx = gamma/sigma*dy`, `dgamma = sum(dy*(x - running_mean)/sigma)`,
`dbeta = sum(dy)`. `x` may be `nothing` where `dgamma` is. Otherwise as [`Renorm.backward!`](@ref).
"""
function inference_backward!(dx, dy::Array{<:Element}, x, running_mean, running_var; gamma = nothing, dgamma = nothing,
                             dbeta = nothing, mask = nothing, executor = nothing, workspace = nothing, options...)
    problem = Problem(dy, Options(; options...); parameters = (gamma, dgamma, dbeta), running = (running_mean, running_var), mask = mask)
    arrays = (x = x, dy = dy, gamma = gamma, running_mean = running_mean, running_var = running_var, dx = dx, dgamma = dgamma,
              dbeta = dbeta, mask = mask)
    call(C.renorm_inference_backward_args, problem, arrays, executor, workspace)
    return dx
end

"""
    dx, dgamma, dbeta = Renorm.inference_backward(dy, x, running_mean, running_var; gamma, keywords...)

[`Renorm.inference_backward!`](@ref) into new arrays.
"""
function inference_backward(dy::Array{<:Element}, x, running_mean, running_var; gamma = nothing, layout = WHCN, keywords...)
    dx, dgamma, dbeta = gradients(dy, channels(dy, layout), gamma)
    inference_backward!(dx, dy, x, running_mean, running_var; gamma = gamma, dgamma = dgamma, dbeta = dbeta, layout = layout, keywords...)
    return dx, dgamma, dbeta
end

"""
    y, back = Renorm.pullback(x; gamma, beta, mask, executor, keywords...)

[`Renorm.train`](@ref) and its gradient: `dx, dgamma, dbeta = back(dy)`. `x` and `mask` must not change in between. A rule for ChainRules:

    function ChainRulesCore.rrule(::typeof(layer), x, gamma, beta)
        y, back = Renorm.pullback(x; gamma = gamma, beta = beta)
        return y, dy -> (NoTangent(), back(unthunk(dy))...)
    end
"""
function pullback(x::Array{T,N}; gamma = nothing, mask = nothing, executor = nothing, keywords...) where {T<:Element,N}
    y, saved = train(x; gamma = gamma, mask = mask, executor = executor, keywords...)
    back(dy) = backward(convert(Array{T,N}, dy), x, saved; gamma = gamma, mask = mask, executor = executor)
    return y, back
end
