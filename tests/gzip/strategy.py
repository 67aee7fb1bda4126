# Compresses standard input to standard output by one of zlib's strategies.
import sys
import zlib

strategy, level = sys.argv[1:]
encoder = zlib.compressobj(int(level), zlib.DEFLATED, 31, 8, getattr(zlib, strategy))
sys.stdout.buffer.write(encoder.compress(sys.stdin.buffer.read()) + encoder.flush())
