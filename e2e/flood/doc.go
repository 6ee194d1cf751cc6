// Package flood does to the real server what somebody does who wants it down:
// more logins than there are processors for, connections that only sit there,
// clients that are slow on purpose. It looks at what they are answered, at the
// server's memory, and at whether everybody else is still served.
//
// What goes by the clock is printed, and judged with -flood.measure alone, on a
// machine that has nothing else to do.
package flood
