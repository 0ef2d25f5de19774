"""Export of traces: samples of workers as spans, over OTLP/HTTP; protobuf is loaded only with otlp_endpoint."""
