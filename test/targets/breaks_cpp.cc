/* SPDX-License-Identifier: MIT */
/* C++ names for test/system/break_command. */
#include <cstdio>

namespace shapes
{

struct base {
	long id = 40;
	virtual int area(int x)
	{
		return x + 1;
	}
	virtual ~base()
	{
	}
};

class box : public base
{
      public:
	int count;

	explicit box(int c) : count(c)
	{
		id += c;
	}
	int add(int x)
	{
		return count += x;
	}
	int add(const char *s) const
	{
		return count + s[0];
	}
	int area(int x) override
	{
		return x + 2;
	}
	int operator()(int x)
	{
		return x * count;
	}
};

template <typename T> __attribute__((noinline)) T twice(T v)
{
	return v + v;
}

namespace
{
__attribute__((noinline)) int hidden(int &r)
{
	return ++r;
}
} // namespace

} // namespace shapes

int main()
{
	shapes::box b(3);
	int sum = 0, r = 5;

	for (int i = 0; i < 4; i++) {
		sum += b.add(i) + b.add("abc") + b.area(i) + b(i);
		sum += shapes::twice(i) + static_cast<int>(shapes::twice(1.5)) + shapes::hidden(r);
	}
	printf("%d\n", sum);
	return 0;
}
