module goflume

go 1.26
