"""GB/T 28181 (2016, by switch 2022): signalling and media as pure cores, their sockets apart."""
