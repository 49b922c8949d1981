# RENORM_ABI_DUMP names the output of tests/abi_dump.sh. Arguments select test files; without any all are run, each in its own module.
using Renorm, Test

run_file(name) = Core.eval(Main, Expr(:module, true, Symbol(name), quote
    using Renorm, Test
    include("support.jl")
    include($name * ".jl")
end))

files = isempty(ARGS) ? ["abi", "isa", "golden", "operations", "errors", "threads", "trace", "allocations", "readme"] : ARGS
@testset "$file" for file in files
    run_file(file)
end
