# Renorm.C against what a C compiler says: lines "const NAME VALUE", "sizeof STRUCT BYTES", "offsetof STRUCT FIELD BYTES".

const said = split.(readlines(ENV["RENORM_ABI_DUMP"]))

of(kind) = [line[2:end] for line in said if line[1] == kind]
number(text) = parse(Int, text)
in_c(name) = getfield(Renorm.C, Symbol(name))

defined(test) = Set(string(name) for name in names(Renorm.C; all = true) if startswith(string(name), r"renorm_"i) && test(in_c(name)))

@testset "constants" begin
    @test Set(name for (name, _) in of("const") if !startswith(name, "RENORM_VERSION")) == defined(value -> value isa Integer)
    for (name, value) in of("const")
        startswith(name, "RENORM_VERSION") || @test (name, in_c(name)) == (name, number(value))
    end
end

@testset "version" begin
    expected = Dict(of("const"))
    parts = number.(getindex.(Ref(expected), "RENORM_VERSION_" .* ["MAJOR", "MINOR", "PATCH"]))
    @test Renorm.version() == VersionNumber(parts...)
end

@testset "structs" begin
    @test Set(first.(of("sizeof"))) == defined(value -> value isa Type)
    for (name, bytes) in of("sizeof")
        @test (name, sizeof(in_c(name))) == (name, number(bytes))
        fields = [(field, number(offset)) for (struct_name, field, offset) in of("offsetof") if struct_name == name]
        @test fields == [(string(fieldname(in_c(name), i)), Int(fieldoffset(in_c(name), i))) for i in 1:fieldcount(in_c(name))]
    end
end

@testset "defaults" begin
    filled = Ref(Renorm.C.renorm_desc())
    ccall((:renorm_desc_init, Renorm.C.librenorm), Int32, (Ref{Renorm.C.renorm_desc}, Csize_t), filled, sizeof(filled[]))
    default = Renorm.Problem(Float32, (), (0, 0, 0), Renorm.Options()).desc
    meaning_dtype = (:out_dtype, :param_dtype, :stats_dtype)  # 0 in what the library fills
    for field in fieldnames(Renorm.C.renorm_desc)
        @test (field, getfield(default, field)) == (field, getfield(filled[], field in meaning_dtype ? :dtype : field))
    end
end
