# What a call is and how it would run, in a line, and a function that is told of every call.

"""
    line = Renorm.explain(operation, x; gamma, beta, running_mean, running_var, mask, z, executor, options...)

One line about a call: what it is, and how it would run here. `operation` is its name without `!`, `:train` or `:backward_reduce`, `x` a
tensor like those that it is given, and so are the other arrays. For bug reports; programs should not depend on what follows the colon.
"""
function explain(operation::Symbol, x::Array{<:Element}; gamma = nothing, beta = nothing, running_mean = nothing, running_var = nothing,
                 mask = nothing, z = nothing, executor = nothing, options...)
    problem = Problem(x, Options(; options...); parameters = (gamma, beta), running = (running_mean, running_var), mask = mask,
                      adds = z !== nothing)
    arrays = (gamma = gamma, beta = beta, running_mean = running_mean, running_var = running_var, mask = mask, z = z)
    pack(C.renorm_train_args, problem, arrays)  # throws if one does not fit
    line, loan = Vector{UInt8}(undef, C.RENORM_EXPLAIN_BYTES), lend(executor)
    check(GC.@preserve loan C.renorm_explain(problem.desc, code(operation), lent(loan, nothing), line, length(line)))
    return GC.@preserve line unsafe_string(pointer(line))
end

function code(operation)
    constant = Symbol(:RENORM_OP_, uppercase(string(operation)))
    isdefined(C, constant) || throw(ArgumentError("$operation is no operation"))
    return getfield(C, constant)
end

# The function of set_trace. The library has tell instead, which is never gone: a call on another thread may be about to use it.
const traced = Ref{Any}(nothing)

# renorm_trace. An exception must not pass the frames of C between here and the caller.
function tell(_, line::Cstring, microseconds::Float64)::Cvoid
    try
        traced[](unsafe_string(line), microseconds)
    catch failure
        @error "Renorm.set_trace was given a function that throws" exception = (failure, catch_backtrace())
    end
    return nothing
end

"""
    Renorm.set_trace(f)

From now on `f(line, microseconds)` is called after every operation of the process that is not refused, on the thread that called it and
before it returns there: with the line of [`Renorm.explain`](@ref), and the wall-clock time of the call. `nothing` turns it off. Several
threads may call `f` at once. What it throws is logged as an error, and goes no further.
"""
function set_trace(f)
    traced[] = f
    C.renorm_set_trace(@cfunction(tell, Cvoid, (Ptr{Cvoid}, Cstring, Float64)), C_NULL)
end
set_trace(::Nothing) = C.renorm_set_trace(C_NULL, C_NULL)
