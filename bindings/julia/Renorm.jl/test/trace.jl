# What a call is and how it would run, in a line, and who is told of every call.

using Renorm: C, RenormError

# What stands before the colon.
function call_of(line)
    call, rest = split(line, ": "; limit = 2)
    @test startswith(rest, "$(Renorm.active_isa()); l2 ")
    return call
end
explained(arguments...; keywords...) = call_of(Renorm.explain(arguments...; keywords...))

const x = pattern(Float32, 5, 4, 3)
const ones32, ones64 = ones(Float32, 4), ones(4)

@testset "explain" begin
    @test explained(:train, x) == "train/nchw/f32/3x4x5/t1"
    @test explained(:inference, Float64.(x); layout = Renorm.CWHN) == "inference/nhwc/f64/3x5x4/t1"
    @test explained(:backward, x; gamma = ones64, beta = ones64) == "backward/nchw/f32/3x4x5/t1/params=f64"
    running = (running_mean = ones64, running_var = ones64)
    @test explained(:train, x; gamma = ones32, beta = ones32, running..., z = x) == "train/nchw/f32/3x4x5/t1/stats=f64/add"
    @test explained(:moments, x; mask = [5, 5, 5]) == "moments/nchw/f32/3x4x5/t1/mask=lengths"
    @test explained(:backward_apply, x; renorm = true, rmax = 2, eps = 1e-3, groups = 3, relu = true, mask = ones(Bool, 5, 3)) ==
          "backward_apply/nchw/f32/3x4x5/t1/batch_renorm/relu/groups=3/mask=bytes/eps=0.001/rmax=2"
    @test explained(:train, x; executor = Renorm.threads) == "train/nchw/f32/3x4x5/t$(Threads.nthreads())"
    @test explained(:train, x; executor = (work, n) -> error("asked to run")) == "train/nchw/f32/3x4x5/t16"
end

@testset "every operation is explained" begin
    operations = [lowercase(string(name)[11:end]) for name in names(C; all = true) if startswith(string(name), "RENORM_OP_")]
    @test length(operations) == 13
    for operation in operations
        @test explained(Symbol(operation), x) == "$operation/nchw/f32/3x4x5/t1"
    end
end

@testset "refused" begin
    thrown = try Renorm.explain(:train, x; eps = -1) catch e; e end
    @test thrown isa RenormError && thrown.status == C.RENORM_ERROR_VALUE
    @test occursin("renorm_explain: desc->eps is -1", thrown.message)
    @test_throws ArgumentError Renorm.explain(:Train!, x)
    @test_throws ArgumentError Renorm.explain(:train, x; mask = Int32[1, 1, 1])
    @test_throws DimensionMismatch Renorm.explain(:train, x; mask = [5, 5])
    @test_throws DimensionMismatch Renorm.explain(:train, x; z = x[:, :, 1:2])
    @test_throws MethodError Renorm.explain(:train, x; no_such_option = 1)
end

# Runs a function while another one is told.
function tracing(run, trace)
    Renorm.set_trace(trace)
    try
        run()
    finally
        Renorm.set_trace(nothing)
    end
end

const told, guard = Tuple{Int,String,Float64}[], Threads.SpinLock()
tell(line, microseconds) = lock(() -> push!(told, (Threads.threadid(), line, microseconds)), guard)

@testset "told of calls from every thread" begin
    tracing(() -> Renorm.train(x), tell)  # compiles them, which is not to count below
    empty!(told)
    made = Vector{Vector{String}}(undef, Threads.nthreads())
    longest = @elapsed tracing(tell) do
        Threads.@threads for k in 1:Threads.nthreads()
            mine = pattern(Float32, 5, k, 3)
            foreach(_ -> Renorm.train(mine), 1:50)
            made[Threads.threadid()] = fill(Renorm.explain(:train, mine), 50)
        end
    end
    @test [[line for (thread, line, _) in told if thread == k] for k in 1:Threads.nthreads()] == made
    @test all(0 < microseconds < longest * 1e6 for (_, _, microseconds) in told)
end

@testset "on and off" begin
    empty!(told)
    others = String[]
    tracing(tell) do
        @test_throws RenormError Renorm.train(x; renorm = true)
        Renorm.explain(:train, x)
        @test isempty(told)
        Renorm.train(x)
        Renorm.set_trace((line, _) -> push!(others, line))
        GC.gc() # nothing but the library refers to that function
        Renorm.train(x)
        Renorm.moments(x)
    end
    Renorm.train(x)
    @test (length(told), others) == (1, [Renorm.explain(:train, x), Renorm.explain(:moments, x)])
end

@testset "replaced while calls run" begin
    told_of = Threads.Atomic{Int}(0)
    calls = [Threads.@spawn(foreach(_ -> Renorm.moments(x), 1:2000)) for _ in 1:4]
    while !all(istaskdone, calls)
        offset = rand(1:2)
        tracing(yield, (_, _) -> Threads.atomic_add!(told_of, offset))
        GC.gc(false)
    end
    foreach(wait, calls)
    tracing(() -> Renorm.moments(x), (_, _) -> Threads.atomic_xchg!(told_of, -1))
    @test told_of[] == -1
end

@testset "a trace that throws" begin
    y, wanted = copy(x), Renorm.train(x)[1]
    for trace in ((_, _) -> error("thrown"), (too, many, arguments) -> nothing, 1)
        @test_logs (:error, r"set_trace") tracing(() -> Renorm.train!(y, x), trace)
        @test same_bits(y, wanted)
        fill!(y, 0)
    end
end
