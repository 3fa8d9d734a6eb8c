// Of what two libraries have, the linker makes one.
#pragma once

template <class Type>
struct Common {
  static int number;
};
template <class Type>
int Common<Type>::number = 40;
