"""Batch normalization and batch renormalization on CPUs: librenorm through ctypes.

    import renorm

    norm = renorm.Norm(renorm=True, rmax=3, dmax=5)
    saved = norm.train(x, gamma, beta, running_mean, running_var)       # saved.y; running statistics are updated in place
    gradients = norm.backward(x, dy, saved, gamma)                      # .dx, .dgamma, .dbeta, .dz
    y = norm.inference(x, running_mean, running_var, gamma, beta)

    norm.ramp = renorm.Ramp()                                           # the paper's schedule of rmax and dmax
    saved = norm.train(x, gamma, beta, running_mean, running_var, step=step)

Arrays are whatever has a contiguous buffer of float or double: numpy arrays, memoryviews, array.array. Tensors are of shape (n, c, ...), or
(n, ..., c) with layout="NHWC"; parameters, running and saved statistics have c elements. Parameters and running statistics are of the
tensor's type or double, saved statistics are double. What is returned is numpy arrays where numpy can be imported, else memoryviews.

    mean = sum(x)/m    var = sum((x - mean)^2)/m    sigma = sqrt(var + eps)            m values per channel
    y    = gamma*(r*(x - mean)/sigma + d) + beta                                       batch norm: r = 1, d = 0
    r    = clip(sigma/sigma_running, 1/rmax, rmax)    d = clip((mean - mean_running)/sigma_running, -dmax, dmax)

Whatever the library refuses is an Error with its status and words. What is wrong with an array is an error that names the argument: a
TypeError for its type, a ValueError for its shape, a BufferError if it is not C-contiguous, or read-only and to be written. Calls run
without the interpreter lock: any number of threads may call at once, with distinct outputs.

The library is the file that RENORM_LIBRARY names in the environment, or librenorm.so.0 where the loader finds it; Norm(threads=k) needs
librenorm_openmp.so.0 from the same place.
"""

import atexit
import collections
import ctypes
import enum
import functools
import math
import operator
import os
import struct

try:
    import numpy
except ImportError:
    numpy = None

VERSION = (0, 1, 0)  # of the library that is declared here

Status = enum.IntEnum("Status", dict(OK=0, NULL=-1, STRUCT_SIZE=-2, VALUE=-3, UNSUPPORTED=-4, OVERFLOW=-5, ALIAS=-6, WORKSPACE=-7,
                                     OUT_OF_MEMORY=-8, ISA=-9))
Layout = enum.IntEnum("Layout", dict(NCHW=1, NHWC=2))
Dtype = enum.IntEnum("Dtype", dict(F32=1, F64=2))
GroupOrder = enum.IntEnum("GroupOrder", dict(CONTIGUOUS=0, INTERLEAVED=1))
MaskKind = enum.IntEnum("MaskKind", dict(NONE=0, BYTES=1, LENGTHS=2))
Epilogue = enum.IntEnum("Epilogue", dict(NONE=0, RELU=1, ADD=2, ADD_RELU=3))
Isa = enum.IntEnum("Isa", dict(NONE=0, SCALAR=1, SSE2=16, AVX2=17, AVX512=18, NEON64=32))
Op = enum.IntEnum("Op", dict(TRAIN=1, INFERENCE=2, BACKWARD=3, INFERENCE_BACKWARD=4, MOMENTS=5, MERGE=6, UPDATE_RUNNING=7, CORRECTION=8,
                             COEFFICIENTS=9, APPLY=10, BACKWARD_REDUCE=11, BACKWARD_APPLY=12, FOLD=13))
Flag = enum.IntFlag("Flag", dict(BATCH_RENORM=1, TRACK_SIGMA=2, UNBIASED=4, UNBIASED_RUNNING=8, KEEP_RUNNING=16, CUMULATIVE=32, RMIN=64,
                                 SKIP_NONFINITE=128))
EXPLAIN_BYTES = 1024

# ---------------------------------------------------------------- declarations

# The fields of each struct after struct_size and flags, as kind and names. A kind is a number, an array, or pointer. Arrays: a tensor;
# parameters and running statistics have an element for each channel, double saved ones for each channel of each group; counts are int64,
# one for each group, and a count is one; a mask is what its type says. "in" arrays are only read.
_FIELDS = {
    "desc": "i32 layout dtype out_dtype param_dtype stats_dtype epilogue; i64 n c s groups; i32 group_order mask_kind;"
            "f64 eps momentum rmin rmax dmax",
    "exec": "i32 concurrency reserved; pointer ctx parallel_for workspace; size workspace_bytes",
    "ramp": "i64 warm rmax_end dmax_end; f64 rmax_final dmax_final",
    "train_args": "in tensor x; in parameter gamma beta; running running_mean running_var; count num_batches; tensor y;"
                  "saved mean sigma r d; counts count; count nonfinite; saved m2; in mask mask; in tensor z",
    "inference_args": "in tensor x; in parameter gamma beta; in running running_mean running_var; tensor y; in mask mask; in tensor z;"
                      "count nonfinite",
    "backward_args": "in tensor x dy; in parameter gamma; in saved mean sigma r d; in counts count; tensor dx; parameter dgamma dbeta;"
                     "in mask mask; in parameter beta; in tensor z; tensor dz",
    "inference_backward_args": "in tensor x dy; in parameter gamma; in running running_mean running_var; tensor dx;"
                               "parameter dgamma dbeta; in mask mask; in parameter beta; in tensor z; tensor dz",
    "moments_args": "in tensor x; counts count; saved mean m2; in mask mask",
    "merge_args": "counts count; saved mean m2; in counts other_count; in saved other_mean other_m2",
    "update_running_args": "in counts count; in saved mean m2; running running_mean running_var; count num_batches nonfinite",
    "correction_args": "in counts count; in saved mean m2; in running running_mean running_var; f64 sigma_floor; saved sigma r d",
    "coefficients_args": "in saved mean sigma r d; in running running_mean running_var; in parameter gamma beta;"
                         "saved center scale shift; count nonfinite",
    "apply_args": "in tensor x; in saved center scale shift; tensor y; in mask mask; in tensor z",
    "backward_reduce_args": "in tensor x dy; in saved mean sigma; saved sum_dy sum_dy_xhat; in mask mask; in parameter gamma beta;"
                            "in saved r d; in tensor z",
    "backward_apply_args": "in tensor x dy; in parameter gamma; in saved mean sigma r d; in counts count; in saved sum_dy sum_dy_xhat;"
                           "tensor dx; parameter dgamma dbeta; in mask mask; in parameter beta; in tensor z; tensor dz",
    "fold_args": "in parameter gamma beta; in running running_mean running_var; in tensor weights; in parameter bias; parameter scale;"
                 "tensor folded_weights; parameter folded_bias; count nonfinite",
}
_NUMBERS = dict(u32=ctypes.c_uint32, i32=ctypes.c_int32, i64=ctypes.c_int64, f64=ctypes.c_double, size=ctypes.c_size_t)

_Field = collections.namedtuple("_Field", "name kind is_input")


def _declare(name, declarations):
    """A ctypes struct whose attribute fields says what each field is."""
    fields = []
    for declaration in ("u32 struct_size flags;" + declarations).split(";"):
        is_input = declaration.split()[0] == "in"
        kind, *names = declaration.split()[is_input:]
        fields += [_Field(field, kind, is_input) for field in names]
    members = [(field.name, _NUMBERS.get(field.kind, ctypes.c_void_p)) for field in fields]
    return type("renorm_" + name, (ctypes.Structure,), dict(_fields_=members, fields=fields))


_STRUCTS = {name: _declare(name, declarations) for name, declarations in _FIELDS.items()}


def _new_struct(name, **values):
    struct = _STRUCTS[name]
    return struct(struct_size=ctypes.sizeof(struct), **values)


_path = os.environ.get("RENORM_LIBRARY", "librenorm.so.0")
_library = ctypes.CDLL(_path)


def _function(name, result, *arguments, library=_library):
    function = library["renorm_" + name]
    function.restype, function.argtypes = result, arguments
    return function


_pointer, _size = ctypes.c_void_p, ctypes.c_size_t
_version = _function("version", ctypes.c_uint32)
_build_info = _function("build_info", ctypes.c_char_p)
_last_error = _function("last_error", _size, ctypes.c_char_p, _size)
_best_isa = _function("best_isa", ctypes.c_int32)
_active_isa = _function("active_isa", ctypes.c_int32)
_set_max_isa = _function("set_max_isa", ctypes.c_int32, ctypes.c_int32)
_explain = _function("explain", ctypes.c_int32, _pointer, ctypes.c_int32, _pointer, _pointer, _size)
_Trace = ctypes.CFUNCTYPE(None, _pointer, ctypes.c_char_p, ctypes.c_double)
_set_trace = _function("set_trace", None, _Trace, _pointer)
_ramp_at = _function("ramp_at", ctypes.c_int32, _pointer, ctypes.c_int64, _pointer, _pointer)
_operations = {op: _function(op.name.lower(), ctypes.c_int32, _pointer, _pointer, _pointer) for op in Op}

# ---------------------------------------------------------------- errors


class Error(Exception):
    """The library refused a call. status is a Status, or a number that this file does not know."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status = Status(status) if status in list(Status) else status


def _check(status):
    if status != Status.OK:
        text = ctypes.create_string_buffer(_last_error(None, 0) + 1)
        _last_error(text, len(text))
        raise Error(status, text.value.decode())


# ---------------------------------------------------------------- threads


@functools.lru_cache(maxsize=None)
def _openmp_init():
    """The function of librenorm_openmp, which is loaded when it is first needed, from where librenorm is."""
    try:
        library = ctypes.CDLL(os.path.join(os.path.dirname(_path), "librenorm_openmp.so.0"))
    except OSError as error:
        raise OSError(f"threads: librenorm_openmp is needed: {error}") from None
    return _function("openmp_init", ctypes.c_int32, _pointer, _size, ctypes.c_int32, library=library)


def _executor(threads):
    """The renorm_exec of a call. None: the calling thread."""
    if threads in (None, 1):
        return None
    executor = _new_struct("exec")
    status = _openmp_init()(ctypes.byref(executor), ctypes.sizeof(executor), threads)
    if status != Status.OK:
        raise Error(status, f"renorm_openmp_init: threads is {threads}")
    return ctypes.byref(executor)


# ---------------------------------------------------------------- arrays

# Element types, as one character of module struct.
_FORMATS = {Dtype.F32: "f", Dtype.F64: "d"}
_DTYPES = {code: dtype for dtype, code in _FORMATS.items()}
_BYTES, _INT64, _NARROW = "?Bb", "ql", "hHiI"
_TYPE_NAMES = {"?": "bool", "B": "uint8", "b": "int8", "h": "int16", "H": "uint16", "i": "int32", "I": "uint32", "q": "int64", "l": "int64",
               "Q": "uint64", "L": "uint64", "e": "float16", "f": "float32", "d": "float64"}


class _Buffer(ctypes.Structure):
    """Py_buffer of the C API."""

    _fields_ = [("buf", ctypes.c_void_p), ("obj", ctypes.c_void_p), ("len", ctypes.c_ssize_t), ("itemsize", ctypes.c_ssize_t),
                ("readonly", ctypes.c_int), ("ndim", ctypes.c_int), ("format", ctypes.c_char_p),
                ("shape", ctypes.POINTER(ctypes.c_ssize_t)), ("strides", ctypes.c_void_p), ("suboffsets", ctypes.c_void_p),
                ("internal", ctypes.c_void_p)]


_ANY_READABLE = 0x11C  # PyBUF_FULL_RO: of any strides, and with its format
_get_buffer = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int]
_is_contiguous = ctypes.pythonapi.PyBuffer_IsContiguous
_is_contiguous.argtypes = [ctypes.POINTER(_Buffer), ctypes.c_char]
_release_buffer = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes, _release_buffer.restype = [ctypes.POINTER(_Buffer)], None


class _Array:
    """The memory of an argument, which stays where it is as long as this lives. What is wrong with it is an error that names it."""

    def __init__(self, owner, name, is_input=True):
        self._buffer, self.name = _Buffer(), name
        try:
            _get_buffer(owner, self._buffer, _ANY_READABLE)
        except (BufferError, TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}") from None
        if not _is_contiguous(self._buffer, b"C"):
            raise BufferError(f"{name}: not C-contiguous")
        if self._buffer.readonly and not is_input:
            raise BufferError(f"{name}: read-only")
        self.address = self._buffer.buf
        self.format = (self._buffer.format or b"B").decode().lstrip("@=")
        self.shape = tuple(self._buffer.shape[:self._buffer.ndim])
        self.size = math.prod(self.shape)

    def __del__(self):
        _release_buffer(self._buffer)

    def values(self):
        return struct.unpack(f"{self.size}{self.format}", ctypes.string_at(self.address, self._buffer.len))

    def check_type(self, formats):
        if self.format not in tuple(formats):
            found, *wanted = dict.fromkeys(_TYPE_NAMES.get(code, repr(code)) for code in (self.format, *formats))
            raise TypeError(f"{self.name}: elements of type {found}, not {' or '.join(wanted)}")

    def check_shape(self, shape):
        """What is flat, here or there, is any shape of as many elements."""
        if self.size != math.prod(shape):
            raise ValueError(f"{self.name}: {self.size} elements instead of {math.prod(shape)}")
        if self.shape != shape and len(self.shape) > 1 and len(shape) > 1:
            raise ValueError(f"{self.name}: shape {self.shape} instead of {shape}")


def _mask(owner):
    """A mask as the library takes it, whose lengths are int64, and what kind it is."""
    mask = _Array(owner, "mask")
    mask.check_type(_BYTES + _INT64 + _NARROW)
    if mask.format in _BYTES:
        mask.name = "mask of positions"
        return mask, MaskKind.BYTES
    if mask.format in _NARROW:
        mask = _Array(memoryview(struct.pack(f"{mask.size}q", *mask.values())).cast("q"), "mask")
    mask.name = "mask of lengths"
    return mask, MaskKind.LENGTHS


def _tensor(owner, name):
    array = _Array(owner, name)
    array.check_type(_DTYPES)
    return array


def _arrays(**owners):
    """Those that are given."""
    return [_Array(owner, name) for name, owner in owners.items() if owner is not None]


def _new(shape, code):
    """A new array of zeros. Without numpy, one of no elements is flat: memoryviews have no such shapes."""
    if numpy is not None:
        return numpy.zeros(shape, code)
    size = math.prod(shape)
    memory = memoryview(bytearray(size * struct.calcsize(code)))
    return memory.cast(code, shape) if size > 0 else memory.cast(code)


def _count():
    return _new((1,), "q")


# ---------------------------------------------------------------- options


def _choice(*choices):
    def checked(name, value):
        if value not in choices:
            raise ValueError(f"{name}: {value!r} instead of {' or '.join(map(repr, choices))}")
        return value
    return checked


def _real(name, value):
    try:
        return ctypes.c_double(value).value
    except (OverflowError, TypeError) as error:
        raise type(error)(f"{name}: {error}") from None


def _integer(name, value, bits=64):
    """ctypes would drop what is beyond the bits."""
    try:
        number = operator.index(value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from None
    if not -2**(bits - 1) <= number < 2**(bits - 1):
        raise OverflowError(f"{name}: {number} is beyond {bits} bits")
    return number


def _shape(name, value):
    """The shape of a tensor that there need not be. No extents of it have a product beyond 64 bits, whatever else is 0."""
    shape = tuple(_integer(name, extent) for extent in value)
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: shape {shape}: an extent is negative")
    _integer(name, math.prod(max(extent, 1) for extent in shape))
    return shape


def _flag(name, value):
    return bool(value)


def _or_none(convert):
    return lambda name, value: None if value is None else convert(name, value)


def _ramp(name, value):
    if not isinstance(value, Ramp):
        raise TypeError(f"{name}: {value!r} instead of a Ramp or None")
    return value


class Ramp(collections.namedtuple("Ramp", "warm rmax_end dmax_end", defaults=(5000, 40000, 25000))):
    """How rmax and dmax of a Norm are reached: 1 and 0 up to step warm, from there linear to the options at steps rmax_end and dmax_end.
    The defaults are the paper's, section 4.1."""

    __slots__ = ()


# Of a Norm: what checks and converts each.
_OPTIONS = dict(layout=_choice("NCHW", "NHWC"), eps=_real, momentum=_real, renorm=_flag, rmin=_or_none(_real), rmax=_real, dmax=_real,
                track=_choice("var", "sigma"), unbiased=_flag, unbiased_running=_flag, keep_running=_flag, cumulative=_flag,
                skip_nonfinite=_flag, groups=_integer, group_order=_choice("contiguous", "interleaved"), relu=_flag,
                ramp=_or_none(_ramp), threads=_or_none(functools.partial(_integer, bits=32)))

# ---------------------------------------------------------------- operations


def _text(values):
    """As numpy has it: all of up to 1000 values, else the first and the last three."""
    if not isinstance(values, memoryview):
        return repr(values)
    if math.prod(values.shape) <= 1000:
        return str(values.tolist())
    flat = values.cast("B").cast(values.format)
    first, last = (", ".join(map(repr, part)) for part in (flat[:3], flat[-3:]))
    return f"[{first}, ..., {last}] of shape {values.shape}"


class _Result:
    """A named tuple that prints values: of a memoryview, Python prints the address."""

    __slots__ = ()

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={_text(value)}' for name, value in self._asdict().items())})"


def _result(name, fields, **options):
    return type(name, (_Result, collections.namedtuple(name, fields, **options)), dict(__slots__=()))


Training = _result("Training", "y mean sigma r d count nonfinite m2")
Gradients = _result("Gradients", "dx dgamma dbeta dz")  # dz: None without z
Moments = _result("Moments", "count mean m2")
Correction = _result("Correction", "sigma r d")
Map = _result("Map", "center scale shift nonfinite", defaults=(None,))
Sums = _result("Sums", "dy dy_xhat")
Folded = _result("Folded", "scale weights bias nonfinite")

_Problem = collections.namedtuple("_Problem", "layout n c s dtype shape")

_operation = _choice(*(op.name.lower() for op in Op))


class Norm:
    """Batch norm, or batch renorm with renorm=True, and how exactly. Its methods are the operations of renorm.h. Its options are
    attributes as well: norm.momentum = 0.01 holds from the next call on.

    momentum is the weight of the new batch, as in PyTorch. r is held in [rmin, rmax], 1/rmax without rmin, and d in [-dmax, dmax].
    ramp: a Ramp, on which rmax and dmax are reached. train and correction take the step then, from 0.
    track="sigma": running_var holds sigma, as in the paper, and not the variance.
    unbiased, unbiased_running: normalise with, or feed the running statistics with, var*m/(m - 1).
    keep_running: do not update running statistics. skip_nonfinite: not those that would become NaN or infinite.
    cumulative: running statistics are the plain average of all batches, which num_batches counts.
    groups: the samples form so many groups with statistics of their own, consecutive ones or, with group_order="interleaved", every
    groups-th. Saved statistics have the shape (groups, c) then.
    relu: forward calls return relu(y), or relu(y + z) where they are given z; without relu, y + z. Backward calls take the same z back,
    and beta, and return dz as well.
    threads: None or 1 for the calling thread, else a team of so many by librenorm_openmp, 0 for as many as OpenMP has. The results are
    the same.

    mask, of calls that take a tensor: which positions count. Bytes or bools (n, s), or lengths (n,), int64 or narrower: so many of the
    first positions of each sample.
    """

    __slots__ = tuple(_OPTIONS)  # and no others: what is misspelt is an AttributeError

    def __init__(self, layout="NCHW", eps=1e-5, momentum=0.1, renorm=False, rmin=None, rmax=3.0, dmax=5.0, track="var", unbiased=False,
                 unbiased_running=False, keep_running=False, cumulative=False, skip_nonfinite=False, groups=1, group_order="contiguous",
                 relu=False, ramp=None, threads=None):
        options = locals()
        for name in _OPTIONS:
            setattr(self, name, options[name])

    def __setattr__(self, name, value):
        super().__setattr__(name, _OPTIONS[name](name, value) if name in _OPTIONS else value)

    def __repr__(self):
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)!r}' for name in _OPTIONS)})"

    def train(self, x, gamma=None, beta=None, running_mean=None, running_var=None, num_batches=None, y=None, mask=None, z=None,
              step=None):
        """Forward in training; updates the running statistics, and num_batches, an int64 array of one element, in place. y may be x or
        z."""
        p = self._problem(x)
        result = Training(_new(p.shape, _FORMATS[p.dtype]) if y is None else y, *self._saved(p, 4), self._counts(), _count(),
                          *self._saved(p, 1))
        self._call(Op.TRAIN, p, self._bounds(step), x=x, gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var,
                   num_batches=num_batches, mask=mask, z=z, **result._asdict())
        return result

    def inference(self, x, running_mean, running_var, gamma=None, beta=None, y=None, mask=None, z=None, nonfinite=None):
        """y = gamma*(x - running_mean)/sigma + beta. y may be x or z. nonfinite, an int64 array of one element, becomes the number of
        channels that are not finite."""
        p = self._problem(x)
        y = _new(p.shape, _FORMATS[p.dtype]) if y is None else y
        self._call(Op.INFERENCE, p, x=x, gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var, y=y,
                   mask=mask, z=z, nonfinite=nonfinite)
        return y

    def backward(self, x, dy, saved, gamma=None, dx=None, mask=None, beta=None, z=None):
        """Backward of train, which returned saved. dx may be dy or x."""
        p = self._problem(x)
        result = self._gradients(p, gamma, dx, z)
        self._call(Op.BACKWARD, p, x=x, dy=dy, gamma=gamma, mean=saved.mean, sigma=saved.sigma, r=saved.r, d=saved.d, count=saved.count,
                   mask=mask, beta=beta, z=z, **result._asdict())
        return result

    def inference_backward(self, x, dy, running_mean, running_var, gamma=None, dx=None, mask=None, beta=None, z=None):
        """Backward of inference, with frozen statistics. dx may be dy or x."""
        p = self._problem(x)
        result = self._gradients(p, gamma, dx, z)
        self._call(Op.INFERENCE_BACKWARD, p, x=x, dy=dy, gamma=gamma, running_mean=running_mean, running_var=running_var,
                   mask=mask, beta=beta, z=z, **result._asdict())
        return result

    def moments(self, x, mask=None):
        """The first part of train: count = m, mean, and m2 = sum((x - mean)^2)."""
        p = self._problem(x)
        result = Moments(self._counts(), *self._saved(p, 2))
        self._call(Op.MOMENTS, p, x=x, mask=mask, **result._asdict())
        return result

    def merge(self, moments, other):
        """Merges the moments of another part of the batch into moments. The order of merges decides the last bits."""
        self._call(Op.MERGE, self._channels(moments.mean), **moments._asdict(), other_count=other.count, other_mean=other.mean,
                   other_m2=other.m2)

    def update_running(self, moments, running_mean, running_var, num_batches=None):
        """The update of running statistics that train ends with. Returns how many channels are not finite."""
        nonfinite = _count()
        p = self._channels(moments.mean, running_mean=running_mean)
        self._call(Op.UPDATE_RUNNING, p, **moments._asdict(), running_mean=running_mean, running_var=running_var, num_batches=num_batches,
                   nonfinite=nonfinite)
        return nonfinite[0]

    def correction(self, moments, running_mean=None, running_var=None, sigma_floor=0.0, step=None):
        """sigma of a batch, and r and d, which need running statistics with batch renorm."""
        p = self._channels(moments.mean, running_mean=running_mean)
        result = Correction(*self._saved(p, 3))
        self._call(Op.CORRECTION, p, self._bounds(step), **moments._asdict(), running_mean=running_mean, running_var=running_var,
                   sigma_floor=sigma_floor, **result._asdict())
        return result

    def coefficients(self, mean=None, sigma=None, r=None, d=None, running_mean=None, running_var=None, gamma=None, beta=None):
        """The map y = scale*(x - center) + shift of a forward pass: of a batch, or of running statistics if mean and sigma are None.
        nonfinite: of how many channels it is not finite, as float if one of the last four arrays is float, else as double."""
        p = self._channels(mean, running_mean=running_mean, gamma=gamma, beta=beta)
        result = Map(*self._saved(p, 3), _count())
        self._call(Op.COEFFICIENTS, p, mean=mean, sigma=sigma, r=r, d=d, running_mean=running_mean, running_var=running_var, gamma=gamma,
                   beta=beta, **result._asdict())
        return result

    def apply(self, x, map, y=None, mask=None, z=None):
        """y = scale*(x - center) + shift. y may be x or z."""
        p = self._problem(x)
        y = _new(p.shape, _FORMATS[p.dtype]) if y is None else y
        self._call(Op.APPLY, p, x=x, center=map.center, scale=map.scale, shift=map.shift, y=y, mask=mask, z=z)
        return y

    def backward_reduce(self, x, dy, mean, sigma, mask=None, gamma=None, beta=None, r=None, d=None, z=None):
        """The first part of backward: sum(dy) and sum(dy*(x - mean)/sigma). What follows mask is read with relu only."""
        p = self._problem(x)
        result = Sums(*self._saved(p, 2))
        self._call(Op.BACKWARD_REDUCE, p, x=x, dy=dy, mean=mean, sigma=sigma, sum_dy=result.dy, sum_dy_xhat=result.dy_xhat, mask=mask,
                   gamma=gamma, beta=beta, r=r, d=d, z=z)
        return result

    def backward_apply(self, x, dy, saved, sums, gamma=None, dx=None, mask=None, beta=None, z=None):
        """The rest of backward, from the sums over the whole batch. Of saved, the count is that of the whole batch."""
        p = self._problem(x)
        result = self._gradients(p, gamma, dx, z)
        self._call(Op.BACKWARD_APPLY, p, x=x, dy=dy, gamma=gamma, mean=saved.mean, sigma=saved.sigma, r=saved.r, d=saved.d,
                   count=saved.count, sum_dy=sums.dy, sum_dy_xhat=sums.dy_xhat, mask=mask, beta=beta, z=z,
                   **result._asdict())
        return result

    def fold(self, running_mean, running_var, gamma=None, beta=None, weights=None, bias=None, axis=None):
        """Inference folded into the layer before it: scale = gamma/sigma, weights = scale*weights, bias = scale*(bias - mean) + beta, as
        new arrays; nonfinite, of how many channels these are not finite. Without weights, the map y = scale*x + bias.

        axis: the one of weights that is the output channels, by default the first, or with layout="NHWC" the last. A transposed
        convolution of PyTorch's, IOHW, has axis=1; one of TensorFlow's, HWOI, axis=-2. With several groups each group of a transposed
        convolution is a call of its own: weights[k*I//groups:(k + 1)*I//groups], and of the other arrays the group's outputs."""
        p = (self._channels(None, running_mean=running_mean, gamma=gamma, beta=beta, bias=bias) if weights is None else
             self._weights(weights, axis))
        given = [array.format for array in _arrays(gamma=gamma, beta=beta, bias=bias)]
        code = "d" if "d" in given else given[0] if given else _FORMATS[p.dtype]
        result = Folded(_new((p.c,), code), None if weights is None else _new(p.shape, _FORMATS[p.dtype]), _new((p.c,), code), _count())
        self._call(Op.FOLD, p, gamma=gamma, beta=beta, running_mean=running_mean, running_var=running_var, weights=weights, bias=bias,
                   scale=result.scale, folded_weights=result.weights, folded_bias=result.bias, nonfinite=result.nonfinite)
        return result

    def explain(self, op, x, *, gamma=None, beta=None, running_mean=None, running_var=None, mask=None, z=None, step=None):
        """One line about an operation, by its name: what the call is, and how it would run here. x is a tensor, or the shape of one of
        floats, a tuple; the others are what the call is given. Without step, rmax and dmax are those of the Norm. For bug reports:
        programs should not depend on what follows the colon."""
        op = Op[_operation("op", op).upper()]
        p = self._shaped(_shape("x", x), Dtype.F32) if isinstance(x, tuple) else self._problem(x)
        desc, _ = self._prepare(op, p, None if step is None else self._bounds(step), gamma=gamma, beta=beta, running_mean=running_mean,
                                running_var=running_var, mask=mask, z=z)
        line = ctypes.create_string_buffer(EXPLAIN_BYTES)
        _check(_explain(ctypes.byref(desc), op, _executor(self.threads), line, len(line)))
        return line.value.decode()

    def _problem(self, x):
        """Layout, extents and type of a tensor."""
        array = _tensor(x, "x")
        return self._shaped(array.shape, _DTYPES[array.format])

    def _shaped(self, shape, dtype):
        """The same of its shape and type."""
        if len(shape) < 2:
            raise ValueError(f"x: shape {shape}: a tensor has samples and channels at least")
        n, c, *spatial = shape
        if self.layout == "NHWC":
            n, *spatial, c = shape
        return _Problem(Layout[self.layout], n, c, math.prod(spatial), dtype, shape)

    def _weights(self, weights, axis):
        """The same for weights: the channels are at axis, whatever the layout of tensors."""
        array = _tensor(weights, "weights")
        rank = len(array.shape)
        axis = (0 if self.layout == "NCHW" else -1) if axis is None else _integer("axis", axis)
        if not -rank <= axis < rank:
            raise ValueError(f"axis: {axis}, but weights have {rank} axes")
        before, (c, *after) = array.shape[:axis], array.shape[axis:]
        return _Problem(Layout.NCHW, math.prod(before), c, math.prod(after), _DTYPES[array.format], array.shape)

    def _channels(self, mean, **others):
        """The same for an operation without tensors: a batch's mean, or else the next array gives the channels, and others a type that
        none is beyond."""
        given = _arrays(**others)
        if mean is None and not given:
            raise ValueError("neither statistics of a batch nor running statistics are given")
        c = given[0].size if mean is None else _Array(mean, "mean").size // self._groups()
        return _Problem(Layout[self.layout], 0, c, 0, Dtype.F32 if "f" in [array.format for array in given] else Dtype.F64, ())

    def _saved(self, p, count):
        groups = self._groups()
        shape = (p.c,) if groups == 1 else (groups, p.c)
        return [_new(shape, "d") for _ in range(count)]

    def _counts(self):
        return _new((self._groups(),), "q")

    def _groups(self):
        return max(self.groups, 1)

    def _gradients(self, p, gamma, dx, z):
        of_tensor = _FORMATS[p.dtype]
        of_parameter = of_tensor if gamma is None else _Array(gamma, "gamma").format
        return Gradients(_new(p.shape, of_tensor) if dx is None else dx, _new((p.c,), of_parameter), _new((p.c,), of_parameter),
                         None if z is None else _new(p.shape, of_tensor))

    def _bounds(self, step):
        """rmax and dmax of a call."""
        if self.ramp is None:
            if step is not None:
                raise TypeError("step: of no use, as the Norm has no ramp")
            return self.rmax, self.dmax
        if step is None:
            raise TypeError("step: needed, as the Norm has a ramp")
        return ramp_at(step, *self.ramp, self.rmax, self.dmax)

    def _desc(self, p, has_z, rmax, dmax):
        flags = [(Flag.BATCH_RENORM, self.renorm), (Flag.TRACK_SIGMA, self.track == "sigma"), (Flag.UNBIASED, self.unbiased),
                 (Flag.UNBIASED_RUNNING, self.unbiased_running), (Flag.KEEP_RUNNING, self.keep_running),
                 (Flag.CUMULATIVE, self.cumulative), (Flag.RMIN, self.rmin is not None), (Flag.SKIP_NONFINITE, self.skip_nonfinite)]
        epilogue = (Epilogue.ADD_RELU if has_z else Epilogue.RELU) if self.relu else Epilogue.ADD if has_z else Epilogue.NONE
        return _new_struct("desc", flags=sum(flag for flag, is_set in flags if is_set), layout=p.layout, dtype=p.dtype,
                           epilogue=epilogue, n=p.n, c=p.c, s=p.s, groups=self.groups, group_order=GroupOrder[self.group_order.upper()],
                           eps=self.eps, momentum=self.momentum, rmin=self.rmin or 0.0, rmax=rmax, dmax=dmax)

    def _call(self, op, p, bounds=None, **given):
        desc, args = self._prepare(op, p, bounds, **given)
        _check(_operations[op](ctypes.byref(desc), ctypes.byref(args), _executor(self.threads)))

    def _prepare(self, op, p, bounds, **given):
        """The structs of a call, whose arrays stay where they are as long as args lives."""
        args = _new_struct(op.name.lower() + "_args")
        desc = self._desc(p, given.get("z") is not None, *(bounds or (self.rmax, self.dmax)))
        arrays, kinds = {}, collections.defaultdict(set)
        for field in args.fields:
            value = given.get(field.name)
            if value is None:
                continue
            if field.kind in _NUMBERS:
                setattr(args, field.name, _real(field.name, value))
                continue
            if field.kind == "mask":
                array, desc.mask_kind = _mask(value)
            else:
                array = _Array(value, field.name, field.is_input)
            arrays[field] = array
            kinds[field.kind].add(array.format)
            setattr(args, field.name, array.address)
        # Double wins: of a mixture, the others do not have the type that is needed, and are named.
        wide = {kind: Dtype.F64 if "d" in kinds[kind] else p.dtype for kind in ("parameter", "running")}
        desc.param_dtype, desc.stats_dtype = wide["parameter"], wide["running"]
        groups = max(desc.groups, 1)
        expected = {"tensor": (_FORMATS[p.dtype], p.shape), "parameter": (_FORMATS[wide["parameter"]], (p.c,)),
                    "running": (_FORMATS[wide["running"]], (p.c,)), "saved": ("d", (groups * p.c,)), "counts": (_INT64, (groups,)),
                    "count": (_INT64, (1,)),
                    "mask": (_INT64, (p.n,)) if desc.mask_kind == MaskKind.LENGTHS else (_BYTES, (p.n * p.s,))}
        for field, array in arrays.items():
            formats, shape = expected[field.kind]
            array.check_type(formats)
            array.check_shape(shape)
        args.arrays = arrays
        return desc, args


# ---------------------------------------------------------------- library


def version():
    """Major, minor and patch number of the library that is loaded."""
    number = _version()
    return number // 10000, number // 100 % 100, number % 100


def build_info():
    """One line: version, compiler and instruction sets of the library."""
    return _build_info().decode()


def best_isa():
    """The best instruction set of the library that the processor has."""
    return Isa(_best_isa())


def active_isa():
    """The instruction set of the next call. Isa.NONE if RENORM_MAX_ISA in the environment names none."""
    return Isa(_active_isa())


def set_max_isa(isa):
    """Bounds the choice of instruction set for the process."""
    _check(_set_max_isa(_integer("isa", isa, bits=32)))


_trace_function = None


# The one that the library calls: functions come and go, but calls on other threads may still be about to call this.
@_Trace
def _trace(_, line, microseconds):
    function = _trace_function
    if function is not None:
        function(line.decode(), microseconds)


def set_trace(function):
    """From now on function(line, microseconds) is called after every operation of the process that is not refused, on the thread that
    called it and before it returns there: with the line of Norm.explain, and the wall-clock time of the call. None turns it off, as the
    end of the program does. Several threads may call it at once. What it raises is printed (sys.unraisablehook) and goes no further."""
    global _trace_function
    if not (function is None or callable(function)):
        raise TypeError(f"function: {function!r} instead of a function or None")
    _trace_function = function
    _set_trace(_Trace() if function is None else _trace, None)


atexit.register(_set_trace, _Trace(), None)


def ramp_at(step, warm=5000, rmax_end=40000, dmax_end=25000, rmax_final=3.0, dmax_final=5.0):
    """rmax and dmax at a step: those of a Norm that has the final ones and Ramp(warm, rmax_end, dmax_end)."""
    ramp = _new_struct("ramp", warm=_integer("warm", warm), rmax_end=_integer("rmax_end", rmax_end),
                       dmax_end=_integer("dmax_end", dmax_end), rmax_final=_real("rmax_final", rmax_final),
                       dmax_final=_real("dmax_final", dmax_final))
    rmax, dmax = ctypes.c_double(), ctypes.c_double()
    _check(_ramp_at(ctypes.byref(ramp), _integer("step", step), ctypes.byref(rmax), ctypes.byref(dmax)))
    return rmax.value, dmax.value
