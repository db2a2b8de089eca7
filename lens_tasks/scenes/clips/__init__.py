"""Moving scenes: short videos of the little world, scripted frame by frame, and the questions asked about them."""
