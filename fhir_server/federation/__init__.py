"""Many servers as one: a search asked once is answered by every member, in one order, each accounted for."""
