"""One frame, on arrays: overscan, trim, bias, dark, flat, noise, cosmic rays, bad pixels, quality."""
