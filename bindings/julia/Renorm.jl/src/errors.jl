"""
    RenormError

What a call that the library refuses throws: the `status` (`Renorm.C.RENORM_ERROR_...`) and the library's `message`. Nothing was
written then. Arrays of the wrong size are a `DimensionMismatch`, arrays of the wrong element type an `ArgumentError`, both before
the library is called.
"""
struct RenormError <: Exception
    status::Int32
    message::String
end

Base.showerror(io::IO, e::RenormError) = print(io, "RenormError: ", e.message, " (status ", e.status, ")")

check(status) = status == C.RENORM_OK ? nothing : fail(status)

# The text belongs to the thread: it is read before anything can move the task to another one.
@noinline function fail(status)
    text = fill(0x00, C.renorm_last_error(C_NULL, 0) + 1)
    C.renorm_last_error(text, length(text))
    throw(RenormError(status, String(text[1:end-1])))
end
