# The first Julia block of the README prints what the block after it says.

text = read(joinpath(@__DIR__, "../README.md"), String)
program, rest = split(split(text, "```julia\n"; limit = 2)[2], "```\n\n"; limit = 2)
said = join((line[5:end] * "\n" for line in Iterators.takewhile(startswith("    "), split(rest, '\n'))))

@test said != ""
@test read(julia(program), String) == said
