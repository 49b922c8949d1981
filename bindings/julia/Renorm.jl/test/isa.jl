# The instruction set in use is the one that the environment asks for, or the best one if the processor lacks it.
@testset "at most RENORM_MAX_ISA" begin
    best = Renorm.best_isa()
    limit = get(ENV, "RENORM_MAX_ISA", string(best))
    @test Renorm.active_isa().value == min(best.value, getfield(Renorm.C, Symbol("RENORM_ISA_", uppercase(limit))))
end
