-- Ends wrk's output with one line of JSON: everything the run counted, times in seconds.
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '{"duration_s":%.6f,"requests":%d,"received_bytes":%d,"p50_s":%.6f,"p99_s":%.6f,' ..
    '"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}}\n',
    summary.duration / 1e6, summary.requests, summary.bytes,
    latency:percentile(50) / 1e6, latency:percentile(99) / 1e6,
    errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
