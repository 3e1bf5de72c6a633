FROM grafana/grafana:12.1.0
COPY grafana/provisioning /etc/grafana/provisioning
COPY grafana/buoy.json /etc/grafana/boards/buoy.json
