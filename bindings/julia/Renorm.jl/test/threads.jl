# Executors, well behaved and not, and calls at once: the bits are those of the calling thread alone.

const shape = (28, 28, 24, 8)
const x = pattern(Float32, shape...)
const dy = pattern(Float32, shape...; seed = 3)

# One step, forward and backward.
function step(x, dy; executor = nothing, workspace = nothing)
    running = (running_mean = zeros(Float32, 24), running_var = ones(Float32, 24))
    y, saved = Renorm.train(x; running..., renorm = true, executor = executor, workspace = workspace)
    return (y, values(running)..., Renorm.backward(dy, x, saved; executor = executor, workspace = workspace)..., saved.mean, saved.sigma)
end

const serial = step(x, dy)

forwards(work, n) = foreach(work, 1:n)
backwards(work, n) = foreach(work, n:-1:1)
twice(work, n) = (forwards(work, n); forwards(work, n))
never(work, n) = nothing
half(work, n) = foreach(work, 1:2:n)
beyond(work, n) = foreach(work, 1:n+1000)
tasks(work, n) = foreach(wait, [Threads.@spawn(work(i)) for i in 1:n])
nested(work, n) = (forwards(work, n); @assert same_bits(step(x, dy; executor = Renorm.threads), serial))

@testset "executor $executor" for executor in [Renorm.threads, forwards, backwards, twice, never, half, beyond, tasks, nested]
    @test same_bits(step(x, dy; executor = executor), serial)
    @test same_bits(step(x, dy; executor = executor, workspace = Renorm.Workspace()), serial)
end

@testset "executors are called" begin
    called = Threads.Atomic{Int}(0)
    step(x, dy; executor = (work, n) -> (Threads.atomic_add!(called, n); forwards(work, n)))
    @test called[] > 1
    @test Renorm.concurrency(Renorm.threads) == Threads.nthreads()
end

struct Odd <: Exception end

@testset "an executor that throws" begin
    throws(work, n) = (work(1); throw(Odd()))
    y, saved = copy(x), Renorm.Saved(24)
    @test_throws Odd Renorm.train!(y, x; saved = saved, executor = throws)
    @test same_bits(y, Renorm.train(x)[1])  # what it left out is done
    @test_throws Exception Renorm.train(x; executor = (work, n) -> Renorm.threads(i -> throw(Odd()), n))
    @test_throws MethodError Renorm.train(x; executor = 1)
    @test_throws MethodError Renorm.train(x; executor = (work, n) -> work("1"))
    @test_throws InexactError Renorm.train(x; executor = (work, n) -> work(0))
    @test_throws StackOverflowError Renorm.train(x; executor = (work, n) -> (endless(n) = endless(n) + 1; endless(n)))
    workspace = Renorm.Workspace()
    @test_throws Odd step(x, dy; executor = throws, workspace = workspace)
    @test same_bits(step(x, dy; workspace = workspace), serial)
end

# In time, or refused.
ended(task) = try
    wait(task)
    true
catch
    task.exception isa ArgumentError
end

@testset "work that runs too late" begin
    kept = Ref{Any}()
    @test same_bits(Renorm.train(x; executor = (work, n) -> kept[] = work), Renorm.train(x))
    @test_throws ArgumentError kept[](1)
    late = Task[]
    unfinished(work, n) = append!(late, [Threads.@spawn(work(i)) for i in 1:n])
    @test same_bits(step(x, dy; executor = unfinished), serial)
    @test length(late) > 0 && all(ended, late)
end

@testset "a workspace serves one call at a time" begin
    workspace = Renorm.Workspace()
    greedy(work, n) = Renorm.train(x; workspace = workspace)
    @test_throws ArgumentError Renorm.train(x; workspace = workspace, executor = greedy)
    @test same_bits(step(x, dy; workspace = workspace), serial)
end

@testset "8 tasks at once" begin
    inputs = [(pattern(Float32, shape...; seed = k), pattern(Float32, shape...; seed = k + 8)) for k in 1:8]
    wanted = [step(input...) for input in inputs]
    for executor in (nothing, Renorm.threads, tasks), round in 1:5
        running = [Threads.@spawn(step(input...; executor = executor, workspace = Renorm.Workspace())) for input in inputs]
        @test all(same_bits(fetch(task), want) for (task, want) in zip(running, wanted))
    end
end
