# From Julia's arrays to a call: descriptor, checked pointers, workspace, executor, status.

const Element = Union{Float32,Float64}

dtype(::Type{Float32}) = C.RENORM_F32
dtype(::Type{Float64}) = C.RENORM_F64

# The element type of the first array that is there. What is no such array is refused by locate, which knows its name.
element_type(default) = default
element_type(default, array::Array{<:Element}, others...) = eltype(array)
element_type(default, other, others...) = element_type(default, others...)

# Which positions of tensors count.
const Bytes = Array{<:Union{Bool,UInt8}}  # like a tensor, without the channels: not 0 where a position counts
const Lengths = Vector{Int64}             # so many of the first positions of each sample

mask_kind(mask) = C.RENORM_MASK_NONE
mask_kind(::Bytes) = C.RENORM_MASK_BYTES
mask_kind(::Lengths) = C.RENORM_MASK_LENGTHS

# What one call computes, and the size that its tensors must have.
struct Problem{N}
    desc::C.renorm_desc
    size::NTuple{N,Int}
end

# adds: whether there is a z, or its gradient.
function Problem(T, size, (n, c, s), o::Options; parameters = (), running = (), mask = nothing, adds = false)
    desc = C.renorm_desc(
        flags = flags(o), layout = Int32(o.layout), dtype = dtype(T), out_dtype = dtype(T),
        param_dtype = dtype(element_type(T, parameters...)), stats_dtype = dtype(element_type(T, running...)),
        n = n, c = c, s = s, groups = o.groups, group_order = Int32(o.group_order), mask_kind = mask_kind(mask),
        epilogue = epilogue(o, adds), eps = o.eps, momentum = o.momentum, rmin = something(o.rmin, 0.0), rmax = o.rmax, dmax = o.dmax,
    )
    return Problem(desc, size)
end

# On tensors like x.
Problem(x::Array, o::Options; arrays...) = Problem(eltype(x), size(x), extents(x, o.layout), o; arrays...)

# On values per channel alone, which may be of any element type next to tensors of Float32.
Problem(channels::Int, o::Options; arrays...) = Problem(Float32, (), (0, channels, 1), o; arrays...)

# (n, c, s) of the header.
function extents(x::Array, layout)
    dims = size(x)
    length(dims) >= 2 || throw(DimensionMismatch("an array with channels and a batch has two dimensions or more, not size $dims"))
    n, inner = dims[end], Base.front(dims)
    return layout == WHCN ? (n, inner[end], volume(Base.front(inner))) : (n, inner[1], volume(Base.tail(inner)))
end

volume(dims) = foldl(Base.checked_mul, dims; init = 1)

channels(x::Array, layout) = extents(x, layout)[2]

# The size of values per channel: of each group, if there is more than one.
statistics_size(channels, groups) = groups == 1 ? (channels,) : (channels, groups)
groups_of(statistics_size) = prod(Base.tail(statistics_size))

# A number that a call reads or writes: `Ref{Int64}(0)`.
const Counter = Base.RefValue{Int64}

# locate(type of pointer, array, problem, name): the pointer, once array is what the problem says.
locate(::Type{P}, ::Nothing, problem, name) where {P<:Ptr} = P(0)
locate(::Type{Ptr{Int64}}, number::Counter, problem, name) = Base.unsafe_convert(Ptr{Int64}, number)
locate(::Type{Float64}, number::Real, problem, name) = Float64(number)
locate(::Type{Ptr{C.Parameter}}, values::Vector{<:Element}, problem, name) = per_channel(values, problem.desc.param_dtype, problem, name)
locate(::Type{Ptr{C.Running}}, values::Vector{<:Element}, problem, name) = per_channel(values, problem.desc.stats_dtype, problem, name)
function locate(::Type{Ptr{C.Tensor}}, tensor::Array{<:Element}, problem, name)
    dtype(eltype(tensor)) == problem.desc.dtype || wrong_type(name, tensor)
    return sized(tensor, problem.size, name)
end
function locate(::Type{Ptr{C.Statistics}}, values::VecOrMat{Float64}, problem, name)
    wanted = (problem.desc.c, groups(problem))
    (size(values, 1), size(values, 2)) == wanted || wrong_size(name, values, wanted)
    return pointer(values)
end
locate(::Type{Ptr{C.Counts}}, counts::Vector{Int64}, problem, name) = sized(counts, (groups(problem),), name)
locate(::Type{Ptr{C.Mask}}, mask::Bytes, problem, name) = sized(mask, positions(problem), name)
locate(::Type{Ptr{C.Mask}}, lengths::Lengths, problem, name) = sized(lengths, (problem.desc.n,), name)
locate(type, array, problem, name) = wrong_type(name, array)

function per_channel(values, wanted, problem, name)
    dtype(eltype(values)) == wanted || wrong_type(name, values)
    return sized(values, (problem.desc.c,), name)
end

function sized(array, wanted, name)
    size(array) == wanted || wrong_size(name, array, wanted)
    return pointer(array)
end

# 0 groups are 1 for the library, too.
groups(problem) = max(problem.desc.groups, 1)

# The size of a tensor without the channels.
function positions(problem)
    inner, n = Base.front(problem.size), problem.size[end]
    return problem.desc.layout == C.RENORM_NCHW ? (Base.front(inner)..., n) : (Base.tail(inner)..., n)
end

@noinline wrong_size(name, array, wanted) = throw(DimensionMismatch("$name has size $(size(array)), not $wanted"))
@noinline wrong_type(name, array) = throw(ArgumentError("$name does not go with the other arrays as a $(typeof(array))"))

# pack(args struct, problem, named arrays): the args struct with a checked pointer in every field that is named.
@generated function pack(::Type{Args}, problem, arrays::NamedTuple{names}) where {Args,names}
    fields = map(names) do name
        Expr(:kw, name, :(locate($(fieldtype(Args, name)), arrays.$name, problem, $(QuoteNode(name)))))
    end
    return :(Args(; $(fields...)))
end

"""
    Renorm.Workspace()

Memory that calls use instead of allocating their own: `workspace = Renorm.Workspace()` in any call. It grows to what a call needs
and stays that large, so the next call of the kind finds it there. One call at a time: another one throws.
"""
mutable struct Workspace
    memory::Vector{UInt8}
    taken::Threads.Atomic{Bool}
    served::Tuple{C.renorm_desc,Int32}  # the last descriptor and operation: asking for their size again is a fair part of a tiny call
end
Workspace() = Workspace(UInt8[], Threads.Atomic{Bool}(false), (C.renorm_desc(), Int32(0)))

take(::Nothing, desc, operation) = nothing
function take(workspace::Workspace, desc, operation)
    Threads.atomic_xchg!(workspace.taken, true) && throw(ArgumentError("another call is using the workspace"))
    workspace.served === (desc, operation) || fit(workspace, desc, operation)
    return workspace.memory
end
put_back(::Nothing) = nothing
put_back(workspace::Workspace) = workspace.taken[] = false

@noinline function fit(workspace, desc, operation)
    bytes = Ref{Csize_t}(0)
    try
        check(C.renorm_workspace_size(desc, operation, bytes))
        length(workspace.memory) < bytes[] && resize!(workspace.memory, bytes[])
    catch
        put_back(workspace)
        rethrow()
    end
    workspace.served = (desc, operation)
end

start(memory) = memory === nothing ? C_NULL : pointer(memory)
bytes(memory) = memory === nothing ? 0 : length(memory)

# What the library is told of a loan, which must be there as long as that.
lent(::Nothing, memory) = C.renorm_exec(workspace = start(memory), workspace_bytes = bytes(memory))
lent(loan::Loan, memory) = C.renorm_exec(
    concurrency = concurrency(loan.executor), ctx = pointer_from_objref(loan),
    parallel_for = @cfunction(parallel_for, Int32, (Ptr{Cvoid}, Csize_t, Ptr{Cvoid}, Ptr{Cvoid})),
    workspace = start(memory), workspace_bytes = bytes(memory),
)

invoke(loan::Nothing, desc, args, memory) = C.invoke(desc, args, lent(loan, memory))

# An interrupt would pass the frames of C as well: it waits until the call is over.
function invoke(loan::Loan, desc, args, memory)
    exec = lent(loan, memory)
    return Base.disable_sigint(() -> C.invoke(desc, args, exec))
end

lend(::Nothing) = nothing
lend(executor) = Loan(executor, nothing)

settle(::Nothing) = nothing
settle(loan::Loan) = loan.failure === nothing ? nothing : throw(loan.failure)

# call(args struct, problem, named arrays, executor, workspace)
function call(::Type{Args}, problem, arrays, executor, workspace) where {Args}
    loan = lend(executor)
    GC.@preserve arrays loan begin
        args = pack(Args, problem, arrays)
        memory = take(workspace, problem.desc, C.code(Args))
        status = GC.@preserve memory invoke(loan, problem.desc, args, memory)
        put_back(workspace)
    end
    check(status)
    settle(loan)
end
