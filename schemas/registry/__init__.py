"""Where writer schemas come from by their id, and which of them ours can read.

`source` is what decoders and encoders ask for; the registry's own client is one of its two kinds.
"""
