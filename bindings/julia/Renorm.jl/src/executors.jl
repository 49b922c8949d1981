"""
    Renorm.threads

The executor that runs on Julia's threads, by `Threads.@threads`: `Renorm.train!(y, x; executor = Renorm.threads)`.

An executor is anything that can be called as `executor(work, n)` and calls `work(1)` to `work(n)`, in any order, on any tasks, and
returns when they are done. What it leaves out the calling task does itself, so results are right and have the same bits whatever it
does. If it throws, the call completes and then throws the same. `work` throws when it is called after the executor has returned.
How many threads it has is told by a method of [`Renorm.concurrency`](@ref).
"""
function threads(work, n)
    Threads.@threads for i in 1:n
        work(i)
    end
end

"""
    Renorm.concurrency(executor)

The number of threads of an executor, 0 if it is unknown. Add a method for your own.
"""
concurrency(executor) = 0
concurrency(::typeof(threads)) = Threads.nthreads()

# The library's task, and who is inside it: their number, with the sign bit once the call is about to return. A task that runs after
# that would read a stack frame that is gone.
struct Work
    task::Ptr{Cvoid}
    arg::Ptr{Cvoid}
    inside::Threads.Atomic{Int}
end

const closed = typemin(Int)

function (work::Work)(i::Integer)
    entered = Threads.atomic_add!(work.inside, 1)
    try
        entered < 0 && throw(ArgumentError("the executor that this work was handed to has returned"))
        ccall(work.task, Cvoid, (Ptr{Cvoid}, Csize_t), work.arg, i - 1)
    finally
        Threads.atomic_sub!(work.inside, 1)
    end
    return nothing
end

# Whoever is inside runs C code on another thread and never waits: neither does this, so nothing can be thrown from here.
function finish(work::Work)
    Threads.atomic_or!(work.inside, closed)
    while work.inside[] != closed
        ccall(:jl_cpu_pause, Cvoid, ())
        GC.safepoint()
    end
end

mutable struct Loan
    executor::Any
    failure::Any  # what the executor has thrown, or nothing
end

# renorm_parallel_for. An exception must not pass the frames of C between here and the caller.
function parallel_for(ctx::Ptr{Cvoid}, n::Csize_t, task::Ptr{Cvoid}, arg::Ptr{Cvoid})::Int32
    loan = unsafe_pointer_to_objref(ctx)::Loan
    work = Work(task, arg, Threads.Atomic{Int}(0))
    try
        loan.executor(work, Int(n))
    catch failure
        loan.failure = failure
    end
    finish(work)
    return Int32(0)
end
