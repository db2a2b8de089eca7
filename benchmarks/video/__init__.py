"""Time and memory of opening videos."""
