/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * arrow.cpp - columns as an Arrow struct array, through the C data interface
 * (https://arrow.apache.org/docs/format/CDataInterface.html). Nothing is
 * copied: each child holds the buffers it was made of until it is released.
 *
 * Made with the GIL held; whoever takes the array may release it from any
 * thread. No Arrow library is needed.
 */
#include <pybind11/pybind11.h>

#include <memory>
#include <string>
#include <vector>

#include "registry.h"

namespace py = pybind11;
using namespace py::literals;

/* The two structs are the interface, field by field. */
struct ArrowSchema {
	const char *format, *name, *metadata;
	int64_t flags, n_children;
	ArrowSchema **children;
	ArrowSchema *dictionary;
	void (*release)(ArrowSchema *);
	void *private_data;
};

struct ArrowArray {
	int64_t length, null_count, offset, n_buffers, n_children;
	const void **buffers;
	ArrowArray **children;
	ArrowArray *dictionary;
	void (*release)(ArrowArray *);
	void *private_data;
};

namespace
{

/* Python's buffers of one child. */
class Held
{
      public:
	void hold(const py::handle &object)
	{
		views.emplace_back();
		if (PyObject_GetBuffer(object.ptr(), &views.back(), PyBUF_SIMPLE) < 0) {
			views.pop_back();
			throw py::error_already_set();
		}
	}
	~Held()
	{
		if (views.empty() || !Py_IsInitialized())
			return;
		py::gil_scoped_acquire gil;
		for (Py_buffer &view : views)
			PyBuffer_Release(&view);
	}
	std::vector<Py_buffer> views;
};

struct SchemaOwner {
	std::string format, name;
	std::vector<ArrowSchema> children;
	std::vector<ArrowSchema *> pointers;
};

struct ArrayOwner {
	Held held;
	std::vector<const void *> buffers;
	std::vector<ArrowArray> children;
	std::vector<ArrowArray *> pointers;
};

/* A child may have been moved away by the consumer; then its release is NULL. */
template <class T, class Owner> void release(T *it)
{
	auto *owner = (Owner *)it->private_data;
	for (T &child : owner->children)
		if (child.release != nullptr)
			child.release(&child);
	it->release = nullptr;
	delete owner;
}

void make_schema(ArrowSchema *s, const std::string &format, const std::string &name,
		 size_t children)
{
	auto *owner = new SchemaOwner{format, name, std::vector<ArrowSchema>(children), {}};
	for (ArrowSchema &child : owner->children)
		owner->pointers.push_back(&child);
	*s = {};
	s->format = owner->format.c_str();
	s->name = owner->name.c_str();
	s->n_children = (int64_t)children;
	s->children = owner->pointers.data();
	s->private_data = owner;
	s->release = &release<ArrowSchema, SchemaOwner>;
}

void make_array(ArrowArray *a, int64_t length, size_t children, const py::tuple &buffers)
{
	auto owner = std::make_unique<ArrayOwner>();
	owner->buffers.push_back(nullptr); /* no validity bitmap: nothing is null */
	for (py::handle buffer : buffers)
		owner->held.hold(buffer);
	for (const Py_buffer &view : owner->held.views)
		owner->buffers.push_back(view.buf);
	owner->children.resize(children);
	for (ArrowArray &child : owner->children)
		owner->pointers.push_back(&child);
	*a = {};
	a->length = length;
	a->n_buffers = (int64_t)owner->buffers.size();
	a->buffers = owner->buffers.data();
	a->n_children = (int64_t)children;
	a->children = owner->pointers.data();
	a->release = &release<ArrowArray, ArrayOwner>;
	a->private_data = owner.release();
}

/* What nobody imported goes with its capsule. */
template <class T> void drop(PyObject *capsule, const char *name)
{
	auto *it = (T *)PyCapsule_GetPointer(capsule, name);
	if (it->release != nullptr)
		it->release(it);
	delete it;
}

/* fields: (name, Arrow format, (buffer, ...)) each; all of length elements. */
py::tuple arrow_struct(int64_t length, const py::sequence &fields)
{
	py::capsule schema(new ArrowSchema{}, "arrow_schema",
			   [](PyObject *c) { drop<ArrowSchema>(c, "arrow_schema"); });
	py::capsule array(new ArrowArray{}, "arrow_array",
			  [](PyObject *c) { drop<ArrowArray>(c, "arrow_array"); });
	auto *s = schema.get_pointer<ArrowSchema>();
	auto *a = array.get_pointer<ArrowArray>();
	size_t n = py::len(fields);

	make_schema(s, "+s", "", n);
	make_array(a, length, n, py::tuple());
	for (size_t i = 0; i < n; i++) {
		auto field = fields[i].cast<py::tuple>();
		make_schema(s->children[i], field[1].cast<std::string>(),
			    field[0].cast<std::string>(), 0);
		make_array(a->children[i], length, 0, field[2].cast<py::tuple>());
	}
	return py::make_tuple(schema, array);
}

} // namespace

void register_arrow(py::module_ &m)
{
	m.def("arrow_struct", &arrow_struct, "length"_a, "fields"_a,
	      "Two capsules, schema and array, of a struct array over these buffers.");
}
