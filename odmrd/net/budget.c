/* SPDX-License-Identifier: ISC */
#include "budget.h"

bool
budget_take(struct budget *budget, size_t n)
{
	if (n > budget->limit || budget->used > budget->limit - n)
		return false;
	if (budget->whole != NULL && !budget_take(budget->whole, n))
		return false;
	budget->used += n;
	return true;
}

void
budget_give(struct budget *budget, size_t n)
{
	budget->used -= n;
	if (budget->whole != NULL)
		budget_give(budget->whole, n);
}
