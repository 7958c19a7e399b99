"""Playing along over the network. From the wire inwards:

wire, protocol, *_messages        bytes <-> messages
blocks, session                  datagrams -> batches of audio, each in its place on one timeline
controls, calibrate              settings, the client's transport, and the measurement of its latency
leading                          what the player who leads has asked for, put on the beat
state, actions                   what the server decides (pure, under the caller's clock), and what it can ask for
worker, models                   a request -> an answer
answers                          an answer -> datagrams, in order and at their time
endpoint, web                    the sockets and threads around all of this; the page's port
report, record, replay           log and status, the recording of a session, and its repetition
client, output_buffers           the other end of the wire
demo, page                       a session with a recorded song, and the page that it writes
"""
