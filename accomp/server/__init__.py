"""Plays along over the network. From the wire inwards:

wire, protocol       bytes <-> messages
blocks, session      datagrams -> batches of audio, each in its place on one timeline
controls, calibrate  what a client may set, say and ask to be measured
engine, actions      what the server decides (pure, under the caller's clock), and all that it may want done
worker, models    who does it: turns a request into an answer
answers              an answer -> datagrams, in order and at their time
endpoint             socket and threads around all of this; report, record, replay: what it says and keeps of itself
client, demo, page   the other end of the wire, a whole performance, and the page it leaves; bench: how fast it all is
"""
