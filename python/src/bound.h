/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bound.h - the base of every C++ class that Python sees.
 *
 * Ring.__new__(Ring), or a method called before a subclass's __init__ has called
 * ours, is an object with nothing behind it. pybind11 would make up memory for
 * it and use that; here it is a TypeError, wherever such an object turns up.
 * With the GIL.
 */
#ifndef PFRING_PY_BOUND_H
#define PFRING_PY_BOUND_H

#include <pybind11/pybind11.h>

#include <string>
#include <type_traits>

struct Bound {
};

namespace pybind11::detail
{

template <class T>
struct type_caster<T, enable_if_t<std::is_base_of<Bound, T>::value>> : type_caster_base<T> {
	bool load(handle src, bool convert)
	{
		const type_info *ours = this->typeinfo;
		if (src && ours != nullptr && PyObject_TypeCheck(src.ptr(), ours->type))
			for (auto &&part :
			     values_and_holders(reinterpret_cast<instance *>(src.ptr())))
				if (part.value_ptr() == nullptr)
					refuse(src);
		return type_caster_base<T>::load(src, convert);
	}

      private:
	[[noreturn]] static void refuse(handle src)
	{
		std::string name = Py_TYPE(src.ptr())->tp_name;
		throw type_error("this " + name + " is empty: its __init__() has not been called");
	}
};

} // namespace pybind11::detail

#endif /* PFRING_PY_BOUND_H */
