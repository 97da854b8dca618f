;; The rounds of BLAKE2b's compression function F. Source: RFC 7693, 3.1 and 3.2.
;;
;; Memory: 0x000 the sixteen words of v, 0x080 the sixteen words of the message, both little-endian
;; and set by blake2f.ts; 0x100 the message schedule SIGMA, ten rows of sixteen indices.
;; State is in memory alone, so that the rounds may be done in any number of calls.
(module
  (memory (export "memory") 1)

  (data (i32.const 0x100)
    "\00\01\02\03\04\05\06\07\08\09\0a\0b\0c\0d\0e\0f"
    "\0e\0a\04\08\09\0f\0d\06\01\0c\00\02\0b\07\05\03"
    "\0b\08\0c\00\05\02\0f\0d\0a\0e\03\06\07\01\09\04"
    "\07\09\03\01\0d\0c\0b\0e\02\06\05\0a\04\00\0f\08"
    "\09\00\05\07\02\04\0a\0f\0e\01\0b\0c\06\08\03\0d"
    "\02\0c\06\0a\00\0b\08\03\04\0d\07\05\0f\0e\01\09"
    "\0c\05\01\0f\0e\0d\04\0a\00\07\06\03\09\02\08\0b"
    "\0d\0b\07\0e\0c\01\03\09\05\00\0f\04\08\06\02\0a"
    "\06\0f\0e\09\0b\03\00\08\0c\02\0d\07\01\04\0a\05"
    "\0a\02\08\04\07\06\01\05\0f\0b\09\0e\03\0c\0d\00")

  ;; The message word that the schedule names at $index.
  (func $message (param $index i32) (result i64)
    (i64.load offset=0x80 (i32.shl (i32.load8_u (local.get $index)) (i32.const 3))))

  ;; G on the words of v at $pa to $pd, with the two message words scheduled from $index on.
  (func $mix (param $pa i32) (param $pb i32) (param $pc i32) (param $pd i32) (param $index i32)
    (local $a i64) (local $b i64) (local $c i64) (local $d i64)
    (local.set $b (i64.load (local.get $pb)))
    (local.set $c (i64.load (local.get $pc)))

    (local.set $a
      (i64.add
        (i64.add (i64.load (local.get $pa)) (local.get $b))
        (call $message (local.get $index))))
    (local.set $d
      (i64.rotr (i64.xor (i64.load (local.get $pd)) (local.get $a)) (i64.const 32)))
    (local.set $c (i64.add (local.get $c) (local.get $d)))
    (local.set $b (i64.rotr (i64.xor (local.get $b) (local.get $c)) (i64.const 24)))

    (local.set $a
      (i64.add
        (i64.add (local.get $a) (local.get $b))
        (call $message (i32.add (local.get $index) (i32.const 1)))))
    (local.set $d (i64.rotr (i64.xor (local.get $d) (local.get $a)) (i64.const 16)))
    (local.set $c (i64.add (local.get $c) (local.get $d)))
    (local.set $b (i64.rotr (i64.xor (local.get $b) (local.get $c)) (i64.const 63)))

    (i64.store (local.get $pa) (local.get $a))
    (i64.store (local.get $pb) (local.get $b))
    (i64.store (local.get $pc) (local.get $c))
    (i64.store (local.get $pd) (local.get $d)))

  ;; Does the rounds from $round up to, and without, $end; both unsigned.
  (func (export "rounds") (param $round i32) (param $end i32)
    (local $row i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $round) (local.get $end)))
        (local.set $row
          (i32.add
            (i32.const 0x100)
            (i32.shl (i32.rem_u (local.get $round) (i32.const 10)) (i32.const 4))))
        ;; Columns.
        (call $mix (i32.const 0x00) (i32.const 0x20) (i32.const 0x40) (i32.const 0x60)
          (local.get $row))
        (call $mix (i32.const 0x08) (i32.const 0x28) (i32.const 0x48) (i32.const 0x68)
          (i32.add (local.get $row) (i32.const 2)))
        (call $mix (i32.const 0x10) (i32.const 0x30) (i32.const 0x50) (i32.const 0x70)
          (i32.add (local.get $row) (i32.const 4)))
        (call $mix (i32.const 0x18) (i32.const 0x38) (i32.const 0x58) (i32.const 0x78)
          (i32.add (local.get $row) (i32.const 6)))
        ;; Diagonals.
        (call $mix (i32.const 0x00) (i32.const 0x28) (i32.const 0x50) (i32.const 0x78)
          (i32.add (local.get $row) (i32.const 8)))
        (call $mix (i32.const 0x08) (i32.const 0x30) (i32.const 0x58) (i32.const 0x60)
          (i32.add (local.get $row) (i32.const 10)))
        (call $mix (i32.const 0x10) (i32.const 0x38) (i32.const 0x40) (i32.const 0x68)
          (i32.add (local.get $row) (i32.const 12)))
        (call $mix (i32.const 0x18) (i32.const 0x20) (i32.const 0x48) (i32.const 0x70)
          (i32.add (local.get $row) (i32.const 14)))
        (local.set $round (i32.add (local.get $round) (i32.const 1)))
        (br $next)))))
