# Nanoseconds of a tiny training forward pass (2x16x8x8, Float32, batch norm with everything saved): Renorm.train! and a raw ccall on a
# ready descriptor, measured in turns; the smallest of the rounds. Usage: julia --project=bindings/julia/Renorm.jl bench/overhead.jl
using Renorm

const calls, rounds = 2000, 200

const x = rand(Float32, 8, 8, 16, 2)
const arrays = (x = x, gamma = ones(Float32, 16), beta = zeros(Float32, 16), running_mean = zeros(Float32, 16), running_var = ones(Float32, 16), y = similar(x))
const saved, workspace = Renorm.Saved(16), Renorm.Workspace()

package() = Renorm.train!(arrays.y, arrays.x; gamma = arrays.gamma, beta = arrays.beta, running_mean = arrays.running_mean,
                          running_var = arrays.running_var, saved = saved, workspace = workspace)
package()

const problem = Renorm.Problem(x, Renorm.Options())
const desc = Ref(problem.desc)
const args = Ref(Renorm.pack(Renorm.C.renorm_train_args, problem, merge(arrays, Renorm.statistics(saved))))
const exec = Ref(Renorm.C.renorm_exec(workspace = pointer(workspace.memory), workspace_bytes = length(workspace.memory)))

raw() = ccall((:renorm_train, Renorm.C.librenorm), Int32, (Ptr{Cvoid}, Ptr{Cvoid}, Ptr{Cvoid}), desc, args, exec)

function nanoseconds(call)
    started = time_ns()
    for _ in 1:calls
        call()
    end
    return (time_ns() - started) / calls
end

function main()
    @assert raw() == Renorm.C.RENORM_OK
    times = [(nanoseconds(package), nanoseconds(raw)) for _ in 1:rounds]
    ours, theirs = minimum(first.(times)), minimum(last.(times))
    println("Renorm.train! ", round(ours; digits = 1), " ns, ccall ", round(theirs; digits = 1), " ns, overhead ", round(ours - theirs; digits = 1), " ns")
end

main()
