package chain

// LinkHash is what anybody can make who can read.
var LinkHash = linkHash
