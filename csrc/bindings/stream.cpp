#include "stream.h"

#include <pybind11/stl.h>

#include <chrono>

namespace pyrnn {

namespace {

using Clock = std::chrono::steady_clock;

// A run looks for Ctrl-C: as seldom as nobody would notice, as who looks may have to wait for the GIL.
constexpr auto kBetweenSignals = std::chrono::milliseconds(50);
constexpr Index kStepsAtOnce = 64;

std::string type_name(const py::object& x) { return std::string(py::str(py::type::of(x).attr("__name__"))); }

template <class T>
class StreamOf : public AnyStream {
 public:
  StreamOf(Network<T>& network, Index batch) : stream_(network, batch), one_({batch, stream_.features()}) {}

  py::object step(const py::object& x, const py::object& out) override {
    py::object result = out.is_none() ? py::array_t<T>(one_) : out;
    T* to = output(result, one_);
    if (py::isinstance<py::array>(x)) {
      step(view(py::reinterpret_borrow<py::array>(x), "x"), to);
      return result;
    }
    const std::int64_t id = id_of(x);
    ArrayView ids;
    ids.data = reinterpret_cast<const char*>(&id);
    ids.dtype = DType::i64;
    ids.ndim = 1;
    ids.shape[0] = 1;
    step(ids, to);
    return result;
  }

  py::object run(const py::object& given, const py::object& out) override {
    if (!py::isinstance<py::array>(given)) throw py::type_error("x must be a NumPy array, got " + type_name(given));
    const auto x = py::reinterpret_borrow<py::array>(given);
    const ArrayView steps = view(x, "x");
    if (steps.ndim < 2) throw py::value_error("x must be ids [n, B] or vectors [n, B, I], got " + describe(x));
    stream_.check_rows(steps.shape[1]);  // before there is an output of as many
    thread_local Shape shape;            // kept, so that a call asks for no memory
    shape.assign({steps.shape[0], stream_.batch(), stream_.features()});
    py::object result = out.is_none() ? py::array_t<T>(shape) : out;
    T* to = output(result, shape);
    ArrayView some = steps;
    py::gil_scoped_release release;
    auto heard = Clock::now();
    for (Index begin = 0; begin < steps.shape[0]; begin += some.shape[0]) {
      if (begin && Clock::now() - heard > kBetweenSignals) {
        py::gil_scoped_acquire acquire;
        if (PyErr_CheckSignals()) throw py::error_already_set();
        heard = Clock::now();
      }
      some.data = steps.data + begin * steps.strides[0];
      some.shape[0] = std::min(kStepsAtOnce, steps.shape[0] - begin);
      stream_.run(some, to + begin * stream_.batch() * stream_.features());
    }
    return result;
  }

  void generate(const GeneratedRows& rows, Index begin, Index end) override {
    const Index B = stream_.batch(), length = rows.ids.ndim() == 2 ? rows.ids.shape(1) : 0;
    if (length < 1 || rows.ids.shape(0) != B || rows.known.size() != B || rows.temperatures.size() != B ||
        rows.keys.size() != B)
      throw py::value_error("ids must be [B, L], known, temperatures and keys [B], B " + std::to_string(B) + ", got " +
                            describe(rows.ids));
    if (begin < 0 || end < begin || end >= length)
      throw py::value_error("begin and end must be columns of ids " + describe(rows.ids) + ", got " +
                            std::to_string(begin) + " and " + std::to_string(end));
    CArray<std::int32_t> ids = rows.ids;
    const Writing writing{length,           ids.mutable_data(), rows.known.data(), rows.temperatures.data(),
                          rows.keys.data(), rows.sampling,      rows.window};
    py::gil_scoped_release release;
    stream_.generate(writing, begin, end);
  }

  py::list get_state() override {
    py::list all;
    for (const Op<T>* op : stream_.recurrent()) {
      py::tuple states(op->states());
      for (Index i = 0; i < op->states(); i++) {
        py::array_t<T> state({stream_.batch(), op->state_units()});
        T* to = data(state);
        {
          py::gil_scoped_release release;
          stream_.get_state(*op, i, to);
        }
        states[std::size_t(i)] = state;
      }
      all.append(states);
    }
    return all;
  }

  // All or nothing: every array is checked before the first is copied.
  void set_state(const std::vector<std::vector<py::array>>& state) override {
    const auto& ops = stream_.recurrent();
    if (state.size() != ops.size())
      throw py::value_error("state must have " + std::to_string(ops.size()) +
                            " tuples, one for each recurrent layer, got " + std::to_string(state.size()));
    std::vector<const T*> from;
    for (std::size_t l = 0; l < ops.size(); l++) {
      if (Index(state[l].size()) != ops[l]->states())
        throw py::value_error("state[" + std::to_string(l) + "] must have " + std::to_string(ops[l]->states()) +
                              " arrays, got " + std::to_string(state[l].size()));
      for (std::size_t i = 0; i < state[l].size(); i++)
        from.push_back(values<T>(state[l][i], "state[" + std::to_string(l) + "][" + std::to_string(i) + "]",
                                 {stream_.batch(), ops[l]->state_units()}));
    }
    auto next = from.begin();
    py::gil_scoped_release release;
    for (Op<T>* op : ops)
      for (Index i = 0; i < op->states(); i++) stream_.set_state(*op, i, *next++);
  }

  void reset() override {
    py::gil_scoped_release release;
    stream_.reset();
  }

 private:
  // A short step keeps the GIL, whose release and return would be a tenth of it; but never while it waits.
  void step(const ArrayView& x, T* to) {
    if (stream_.is_short() && stream_.try_step(x, to)) return;
    py::gil_scoped_release release;
    stream_.step(x, to);
  }

  static T* output(const py::object& out, const Shape& shape) {
    if (!py::isinstance<py::array>(out))
      throw py::type_error("out must be " + describe(kDtypeName<T>, shape) + ", got " + type_name(out));
    py::array array = py::reinterpret_borrow<py::array>(out);
    return writable_values<T>(array, "out", shape);
  }

  std::int64_t id_of(const py::object& x) const {
    if (!PyIndex_Check(x.ptr())) throw py::type_error("x must be an integer id or a NumPy array, got " + type_name(x));
    const Py_ssize_t id = PyNumber_AsSsize_t(x.ptr(), PyExc_ValueError);
    if (id == -1 && PyErr_Occurred()) throw py::error_already_set();
    return id;
  }

  Stream<T> stream_;
  const Shape one_;  // of a step's output
};

}  // namespace

template <class T>
std::unique_ptr<AnyStream> make_stream(Network<T>& network, Index batch) {
  return std::make_unique<StreamOf<T>>(network, batch);
}
template std::unique_ptr<AnyStream> make_stream(Network<float>&, Index);
template std::unique_ptr<AnyStream> make_stream(Network<double>&, Index);

void bind_stream(py::module_& m) {
  using namespace py::literals;
  py::class_<AnyStream>(m, "Stream")
      .def("step", &AnyStream::step, "x"_a, "out"_a = py::none())
      .def("run", &AnyStream::run, "x"_a, "out"_a = py::none())
      .def(
          "generate",
          [](AnyStream& stream, const CArray<std::int32_t>& ids, const CArray<std::int64_t>& known,
             const CArray<double>& temperatures, const CArray<std::uint64_t>& keys, Index top_k, double top_p,
             Index window, Index begin,
             Index end) { stream.generate({ids, known, temperatures, keys, {1, top_k, top_p}, window}, begin, end); },
          "ids"_a.noconvert(), "known"_a.noconvert(), "temperatures"_a.noconvert(), "keys"_a.noconvert(), "top_k"_a,
          "top_p"_a, "window"_a, "begin"_a, "end"_a)
      .def("get_state", &AnyStream::get_state)
      .def("set_state", &AnyStream::set_state, "state"_a)
      .def("reset", &AnyStream::reset);
}

}  // namespace pyrnn
