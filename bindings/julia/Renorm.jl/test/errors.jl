# Whatever a caller does wrong is an exception, and nothing is written.

using Renorm: C, RenormError

function thrown_by(call)
    try
        call()
        nothing
    catch e
        e
    end
end

# What is thrown before the library is called, which names the argument.
function names(call, kind, argument)
    thrown = thrown_by(call)
    @test thrown isa kind && startswith(thrown.msg, "$argument ")
end

# The status of what is thrown, and the words in which the library says why.
function refused(call, status, words)
    thrown = thrown_by(call)
    @test thrown isa RenormError && thrown.status == status
    @test occursin(words, thrown.message) && occursin(words, sprint(showerror, thrown))
end

const x = pattern(Float32, 3, 4, 2)
const four = ones(Float32, 4)

@testset "statuses" begin
    y = copy(x)
    refused(() -> Renorm.train!(y, x; renorm = true), C.RENORM_ERROR_NULL, "running_mean")
    refused(() -> Renorm.inference!(y, x, nothing, four), C.RENORM_ERROR_NULL, "running_mean is NULL")
    refused(() -> Renorm.train!(y, x; cumulative = true), C.RENORM_ERROR_NULL, "num_batches")
    running = (running_mean = copy(four), running_var = copy(four))
    for (keywords, words) in [((eps = -1,), "eps"), ((eps = NaN,), "eps"), ((eps = Inf,), "eps"), ((momentum = 1.5,), "momentum"),
                              ((momentum = NaN,), "momentum"), ((renorm = true, rmin = 2), "rmin"), ((rmin = NaN,), "rmin"),
                              ((rmax = NaN,), "rmax"), ((dmax = NaN,), "dmax"), ((renorm = true, rmax = 0.5), "rmax"),
                              ((renorm = true, dmax = -1), "dmax")]
        refused(() -> Renorm.train!(y, x; running..., keywords...), C.RENORM_ERROR_VALUE, words)
    end
    @test running == (running_mean = four, running_var = four)
    refused(() -> Renorm.train!(y, x; num_batches = Ref{Int64}(-1), running_mean = copy(four), running_var = copy(four)), C.RENORM_ERROR_VALUE, "num_batches")
    refused(() -> Renorm.ramp(-1), C.RENORM_ERROR_VALUE, "step")
    refused(() -> Renorm.correction(Renorm.Moments(4); sigma_floor = NaN), C.RENORM_ERROR_VALUE, "sigma_floor")
    refused(() -> Renorm.inference!(Float64.(y), Float64.(x), four, four), C.RENORM_ERROR_UNSUPPORTED, "stats_dtype")
    refused(() -> Renorm.inference!(Float64.(y), Float64.(x), ones(4), ones(4); gamma = four), C.RENORM_ERROR_UNSUPPORTED, "param_dtype")
    refused(() -> Renorm.train!(y, x; running_mean = four, running_var = four), C.RENORM_ERROR_ALIAS, "overlaps")
    refused(() -> Renorm.set_max_isa(Renorm.ISA(99)), C.RENORM_ERROR_ISA, "99")
    moments = Renorm.Moments(4)
    moments.count[] = typemax(Int) - 1
    refused(() -> merge!(moments, Renorm.Moments([2], zeros(4), zeros(4))), C.RENORM_ERROR_OVERFLOW, "count")
    @test y == x && four == ones(4)
end

@testset "statuses that only a wrong struct can have" begin
    problem = Renorm.Problem(x, Renorm.Options())
    arrays = (x = x, y = copy(x))
    GC.@preserve arrays begin
        args = Renorm.pack(C.renorm_train_args, problem, arrays)
        invoke(desc, args, exec) = Renorm.check(C.invoke(desc, args, exec))
        refused(() -> invoke(problem.desc, args, C.renorm_exec(struct_size = 0)), C.RENORM_ERROR_STRUCT_SIZE, "exec->struct_size")
        refused(() -> invoke(problem.desc, C.renorm_train_args(flags = 1), C.renorm_exec()), C.RENORM_ERROR_UNSUPPORTED, "flags")
        refused(() -> invoke(C.renorm_desc(), args, C.renorm_exec()), C.RENORM_ERROR_UNSUPPORTED, "layout")
        memory = zeros(UInt8, 1)
        GC.@preserve memory begin
            exec = C.renorm_exec(workspace = pointer(memory), workspace_bytes = 1)
            refused(() -> invoke(problem.desc, args, exec), C.RENORM_ERROR_WORKSPACE, "1")
        end
    end
end

@testset "huge sizes" begin
    workspace, huge = Renorm.Workspace(), Renorm.Problem(Float32, (), (1, 2^48, 1), Renorm.Options()).desc
    @test_throws OutOfMemoryError Renorm.take(workspace, huge, C.RENORM_OP_TRAIN)
    @test Renorm.train(x; workspace = workspace)[1] == Renorm.train(x)[1]
    too_many = Array{Float32}(undef, 0, 2^58, 1)
    refused(() -> Renorm.train!(too_many, too_many), C.RENORM_ERROR_OVERFLOW, "address space")
    @test_throws Exception Renorm.train(too_many)
    beyond = Array{Float32}(undef, 0, 2^32, 2^32)
    @test_throws OverflowError Renorm.train!(reshape(beyond, 0, 2^32, 2^32, 1), reshape(beyond, 0, 2^32, 2^32, 1); layout = Renorm.CWHN)
    @test_throws Exception Renorm.Saved(typemax(Int))
    @test_throws Exception Renorm.Saved(-1)
end

@testset "wrong arrays" begin
    y = copy(x)
    wrong_size(call) = @test_throws DimensionMismatch call()
    wrong_type(call) = @test_throws ArgumentError call()
    for name in (:gamma, :beta, :running_mean, :running_var), length in (0, 3, 5)
        names(() -> Renorm.train!(y, x; NamedTuple{(name,)}((ones(Float32, length),))...), DimensionMismatch, name)
    end
    for name in (:gamma, :beta, :running_mean, :running_var), array in (ones(Float16, 4), ones(Int, 4), ones(Float32, 4, 1), 1.0, view(four, :), "gamma")
        names(() -> Renorm.train!(y, x; NamedTuple{(name,)}((array,))...), ArgumentError, name)
    end
    wrong_type(() -> Renorm.train!(y, x; gamma = four, beta = ones(Float64, 4)))
    wrong_type(() -> Renorm.train!(y, x; running_mean = ones(4), running_var = copy(four)))
    wrong_type(() -> Renorm.train!(y, x; num_batches = 1))
    wrong_size(() -> Renorm.train!(zeros(Float32, 3, 4, 1), x))
    wrong_size(() -> Renorm.train!(reshape(copy(x), 3, 2, 4), x))
    wrong_size(() -> Renorm.train!(y, x; saved = Renorm.Saved(3)))
    wrong_size(() -> Renorm.train!(four, four))
    wrong_size(() -> Renorm.backward(y, x, Renorm.Saved(5)))
    wrong_size(() -> Renorm.backward!(zeros(Float32, 1, 1), y, x, Renorm.Saved(4)))
    wrong_size(() -> Renorm.backward!(y, y, x, Renorm.Saved(4); dgamma = zeros(Float32, 3)))
    wrong_type(() -> Renorm.backward!(1.0, y, x, Renorm.Saved(4)))
    wrong_size(() -> Renorm.inference_backward!(y, y, zeros(Float32, 1, 1, 1), four, four))
    wrong_size(() -> merge!(Renorm.Moments(4), Renorm.Moments(5)))
    wrong_size(() -> Renorm.correction!(Renorm.Saved(3), Renorm.Moments(4)))
    wrong_size(() -> Renorm.correction!(Renorm.Saved(Renorm.Options(), zeros(3), zeros(4), zeros(4), zeros(4), zeros(4), [0]), Renorm.Moments(4)))
    wrong_size(() -> Renorm.apply(x, Renorm.Coefficients(3)))
    wrong_size(() -> Renorm.update_running!(ones(3), ones(4), Renorm.Moments(4)))
    @test_throws MethodError Renorm.train!(Float64.(y), x)
    @test_throws MethodError Renorm.train(view(x, :, :, :))
    @test_throws MethodError Renorm.train(Int.(round.(x)))
    @test_throws MethodError Renorm.train!(y, x; layout = 3)
    @test_throws MethodError Renorm.train!(y, x; no_such_option = 1)
    @test y == x
end

@testset "wrong groups and masks" begin
    y, mask = copy(x), ones(UInt8, 3, 2)
    wrong_size(call) = @test_throws DimensionMismatch call()
    wrong_type(call) = @test_throws ArgumentError call()
    @test same_bits(Renorm.train(x; mask = mask)[1], Renorm.train(x)[1])
    for wrong in (ones(UInt8, 3, 1), ones(UInt8, 2, 3), ones(UInt8, 6), ones(Bool, 3, 4, 2), ones(Bool, 0, 0), [3], [3, 3, 3], Int64[])
        for call in (mask -> Renorm.train!(y, x; mask = mask), mask -> Renorm.inference!(y, x, four, four; mask = mask),
                     mask -> Renorm.backward!(y, y, x, Renorm.Saved(4); mask = mask),
                     mask -> Renorm.inference_backward!(y, y, x, four, four; mask = mask), mask -> Renorm.moments(x; mask = mask),
                     mask -> Renorm.apply!(y, x, Renorm.Coefficients(4); mask = mask),
                     mask -> Renorm.backward_reduce(y, x, Renorm.Saved(4); mask = mask),
                     mask -> Renorm.backward_apply!(y, y, x, Renorm.Saved(4), Renorm.Sums(4); mask = mask))
            wrong_size(() -> call(wrong))
        end
    end
    for wrong in (trues(3, 2), ones(Int8, 3, 2), ones(Float32, 3, 2), Int32[3, 3], [3 3], view(mask, :, :), 1)
        wrong_type(() -> Renorm.train!(y, x; mask = wrong))
    end
    refused(() -> Renorm.train!(y, x; mask = [4, 3]), C.RENORM_ERROR_VALUE, "mask")
    refused(() -> Renorm.train!(y, x; mask = [-1, 3]), C.RENORM_ERROR_VALUE, "mask")

    for (channels, groups) in ((4, 1), (4, 3), (3, 2), (2, 4))
        wrong_size(() -> Renorm.train!(y, x; groups = 2, saved = Renorm.Saved(channels, groups)))
        wrong_size(() -> Renorm.moments!(Renorm.Moments(channels, groups), x; groups = 2))
        wrong_size(() -> Renorm.apply!(y, x, Renorm.Coefficients(channels, groups); groups = 2))
    end
    saved = Renorm.train(x; groups = 2)[2]
    wrong_size(() -> Renorm.backward_reduce!(Renorm.Sums(4), y, x, saved))
    wrong_size(() -> Renorm.backward_apply!(y, y, x, saved, Renorm.Sums(2, 4)))
    wrong_size(() -> Renorm.update_running!(copy(four), copy(four), Renorm.Moments(saved)))
    wrong_size(() -> merge!(Renorm.Moments(4), Renorm.Moments(saved)))
    wrong_size(() -> merge!(Renorm.Moments(4, 2), Renorm.Moments([1], zeros(4, 2), zeros(4, 2))))
    wrong_size(() -> Renorm.correction!(Renorm.Saved(4), Renorm.Moments(saved); groups = 2))
    wrong_size(() -> Renorm.train(x; groups = 0))
    @test_throws Exception Renorm.train(x; groups = -1)
    @test_throws MethodError Renorm.train(x; group_order = 1)
    @test y == x
end

# Overlaps that Julia's own arrays can be made to have.
@testset "aliasing" begin
    memory = pattern(Float32, 100)
    at(offset) = unsafe_wrap(Array, pointer(memory, 1 + offset), (3, 4, 2))
    GC.@preserve memory begin
        @test Renorm.train(copy(at(0)))[1] == Renorm.train!(at(0), at(0))
        refused(() -> Renorm.train!(at(1), at(0)), C.RENORM_ERROR_ALIAS, "args->y overlaps args->x")
        refused(() -> Renorm.backward!(at(0), at(1), at(40), Renorm.Saved(4)), C.RENORM_ERROR_ALIAS, "overlaps")
    end
    saved = Renorm.Saved(4)
    refused(() -> Renorm.train!(copy(x), x; saved = Renorm.Saved(saved.options, saved.mean, saved.mean, saved.r, saved.d, saved.m2, saved.count)),
            C.RENORM_ERROR_ALIAS, "overlaps")
    refused(() -> merge!(Renorm.Moments([0], saved.mean, saved.mean), Renorm.Moments(4)), C.RENORM_ERROR_ALIAS, "overlaps")
end

@testset "epilogues" begin
    _, saved = Renorm.train(x; relu = true, z = x)
    refused(() -> Renorm.backward!(nothing, x, x, saved; z = x, dz = copy(x)), C.RENORM_ERROR_NULL, "args->dx")
    names(() -> Renorm.backward!(copy(x), x, x, saved; dz = copy(x)), ArgumentError, :z)
    dx = copy(x)
    refused(() -> Renorm.backward!(dx, x, x, saved; z = x, dz = dx), C.RENORM_ERROR_ALIAS, "args->dz overlaps args->dx")
    mean, var = zeros(Float32, 4), ones(Float32, 4)
    refused(() -> Renorm.inference_backward!(copy(x), x, nothing, mean, var; relu = true), C.RENORM_ERROR_NULL, "args->x")
    map, sums = Renorm.Coefficients(4), Renorm.Sums(4)
    for call in (z -> Renorm.train(x; z = z), z -> Renorm.inference(x, mean, var; z = z), z -> Renorm.backward(x, x, saved; z = z),
                 z -> Renorm.inference_backward(x, x, mean, var; z = z), z -> Renorm.apply(x, map; z = z),
                 z -> Renorm.backward_reduce(x, x, saved; z = z), z -> Renorm.backward_apply(x, x, saved, sums; z = z),
                 dz -> Renorm.backward!(copy(x), x, x, saved; z = x, dz = dz),
                 dz -> Renorm.inference_backward!(copy(x), x, x, mean, var; z = x, dz = dz),
                 dz -> Renorm.backward_apply!(copy(x), x, x, saved, sums; z = x, dz = dz))
        @test_throws DimensionMismatch call(x[:, :, 1:1])
        @test_throws ArgumentError call(Float64.(x))
        @test_throws ArgumentError call(view(x, :, :, :))
        @test_throws ArgumentError call(1)
    end
end

@testset "a mask or z that only the forward pass had" begin
    for (name, given) in ((:mask, (mask = ones(UInt8, 3, 2),)), (:z, (z = x, relu = true)))
        _, saved = Renorm.train(x; given...)
        names(() -> Renorm.backward(x, x, saved), ArgumentError, name)
        names(() -> Renorm.backward_reduce(x, x, saved), ArgumentError, name)
        names(() -> Renorm.backward_apply(x, x, saved, Renorm.Sums(4)), ArgumentError, name)
        Renorm.train!(copy(x), x; saved = saved)
        Renorm.backward(x, x, saved)
    end
    _, saved = Renorm.train(x; z = x)
    @test length(Renorm.backward(x, x, saved)) == 3 # dy is dz
end

@testset "fold" begin
    mean, var = zeros(Float32, 4), ones(Float32, 4)
    for name in (:gamma, :beta, :bias)
        names(() -> Renorm.fold(mean, var; NamedTuple{(name,)}((ones(Float32, 3),))...), DimensionMismatch, name)
        names(() -> Renorm.fold(mean, var; NamedTuple{(name,)}((ones(Int, 4),))...), ArgumentError, name)
    end
    for dims in (0, 3, 1.5)
        names(() -> Renorm.fold(mean, var; weights = ones(Float32, 4, 4), dims = dims), ArgumentError, :dims)
    end
    names(() -> Renorm.fold(mean, var; weights = ones(Float32, 4, 5)), DimensionMismatch, :weights)
    names(() -> Renorm.fold(mean, var; weights = ones(Int, 4, 4)), ArgumentError, :weights)
    @test_throws DimensionMismatch Renorm.fold(mean, ones(Float32, 3))
    @test_throws ArgumentError Renorm.fold(mean, var; weights = view(ones(Float32, 4, 2), :, :), layout = Renorm.CWHN)
    @test_throws Exception Renorm.fold(mean, var; weights = fill(1.0f0))
    refused(() -> Renorm.fold(mean, var; eps = NaN), C.RENORM_ERROR_VALUE, "eps")

    into(scale, weights, bias; keywords...) = Renorm.fold!((scale = scale, weights = weights, bias = bias), mean, var; keywords...)
    weights = ones(Float32, 3, 4)
    @test_throws DimensionMismatch into(nothing, nothing, ones(Float32, 3))
    @test_throws DimensionMismatch into(ones(Float32, 3), nothing, nothing)
    @test_throws DimensionMismatch into(nothing, ones(Float32, 2, 4), nothing; weights = weights)
    @test_throws DimensionMismatch into(nothing, ones(Float32, 3, 4), nothing)
    @test_throws ArgumentError into(ones(Float32, 4), nothing, ones(4))
    @test_throws ArgumentError into(nothing, ones(3, 4), nothing; weights = weights)
    @test_throws MethodError Renorm.fold!((bias = mean,), mean, var)
    refused(() -> into(mean, nothing, nothing), C.RENORM_ERROR_ALIAS, "args->scale overlaps args->running_mean")
    @test mean == zeros(Float32, 4) && weights == ones(Float32, 3, 4)
end

@testset "RENORM_MAX_ISA of an unknown name" begin
    program = "using Renorm; try Renorm.train(zeros(Float32, 1, 1)) catch e; print(e.status) end"
    @test read(setenv(julia(program), merge(ENV, Dict("RENORM_MAX_ISA" => "none such"))), String) == string(C.RENORM_ERROR_ISA)
end
