FROM prom/prometheus:v3.5.0
COPY prometheus.yml rules.yml /etc/prometheus/
