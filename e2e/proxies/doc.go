// Package proxies puts real proxies in front of the real binary: caches (nginx,
// Varnish), which must keep no answer that is somebody's, and proxies that read
// requests their own way (nginx, HAProxy), behind which one request must stay
// one; and a load balancer (HAProxy), behind which a restart costs none.
package proxies
