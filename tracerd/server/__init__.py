"""The server: listener, connections, fan-out, access rules, systemd.  Runs on trio."""
