;; Powers modulo numbers of 64 bits, by squaring and multiplying from the exponent's first bit on.
;;
;; The exponent's bytes lie in memory, put there by power64.ts. A power is returned and taken back, so
;; that a long exponent may come in any number of parts.
(module
  (memory (export "memory") 1)

  ;; The upper half of the product of two unsigned numbers.
  (func $multiplyHigh (param $a i64) (param $b i64) (result i64)
    (local $a0 i64) (local $a1 i64) (local $b0 i64) (local $b1 i64) (local $t i64) (local $u i64)
    (local.set $a0 (i64.and (local.get $a) (i64.const 0xffffffff)))
    (local.set $a1 (i64.shr_u (local.get $a) (i64.const 32)))
    (local.set $b0 (i64.and (local.get $b) (i64.const 0xffffffff)))
    (local.set $b1 (i64.shr_u (local.get $b) (i64.const 32)))
    (local.set $t
      (i64.add
        (i64.mul (local.get $a1) (local.get $b0))
        (i64.shr_u (i64.mul (local.get $a0) (local.get $b0)) (i64.const 32))))
    (local.set $u
      (i64.add
        (i64.mul (local.get $a0) (local.get $b1))
        (i64.and (local.get $t) (i64.const 0xffffffff))))
    (i64.add
      (i64.add
        (i64.mul (local.get $a1) (local.get $b1))
        (i64.shr_u (local.get $t) (i64.const 32)))
      (i64.shr_u (local.get $u) (i64.const 32))))

  ;; Montgomery's product a · b / 2^64 modulo $m, which is odd; $inverse · $m is one modulo 2^64.
  (func $multiply (export "multiply")
    (param $a i64) (param $b i64) (param $m i64) (param $inverse i64) (result i64)
    (local $high i64) (local $reduced i64)
    (local.set $high (call $multiplyHigh (local.get $a) (local.get $b)))
    ;; What this multiple of $m shares with a · b is the lower half, so that only upper halves differ.
    (local.set $reduced
      (call $multiplyHigh
        (i64.mul (i64.mul (local.get $a) (local.get $b)) (local.get $inverse))
        (local.get $m)))
    (i64.add
      (i64.sub (local.get $high) (local.get $reduced))
      (select
        (local.get $m)
        (i64.const 0)
        (i64.lt_u (local.get $high) (local.get $reduced)))))

  ;; $power ^ (2 ^ bits) · $base ^ exponent modulo $m, in Montgomery's form, with the exponent in the
  ;; first $bytes of memory.
  (func (export "power")
    (param $power i64) (param $base i64) (param $m i64) (param $inverse i64) (param $bytes i32)
    (result i64)
    (local $at i32) (local $byte i32) (local $bit i32)
    (block $done
      (loop $nextByte
        (br_if $done (i32.ge_u (local.get $at) (local.get $bytes)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (local.set $bit (i32.const 0x80))
        (loop $nextBit
          (local.set $power
            (call $multiply
              (local.get $power) (local.get $power) (local.get $m) (local.get $inverse)))
          (if (i32.and (local.get $byte) (local.get $bit))
            (then
              (local.set $power
                (call $multiply
                  (local.get $power) (local.get $base) (local.get $m) (local.get $inverse)))))
          (local.set $bit (i32.shr_u (local.get $bit) (i32.const 1)))
          (br_if $nextBit (local.get $bit)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $nextByte)))
    (local.get $power))

  ;; The same modulo 2^64, and not in Montgomery's form.
  (func (export "powerOfTwo") (param $power i64) (param $base i64) (param $bytes i32) (result i64)
    (local $at i32) (local $byte i32) (local $bit i32)
    (block $done
      (loop $nextByte
        (br_if $done (i32.ge_u (local.get $at) (local.get $bytes)))
        (local.set $byte (i32.load8_u (local.get $at)))
        (local.set $bit (i32.const 0x80))
        (loop $nextBit
          (local.set $power (i64.mul (local.get $power) (local.get $power)))
          (if (i32.and (local.get $byte) (local.get $bit))
            (then (local.set $power (i64.mul (local.get $power) (local.get $base)))))
          (local.set $bit (i32.shr_u (local.get $bit) (i32.const 1)))
          (br_if $nextBit (local.get $bit)))
        (local.set $at (i32.add (local.get $at) (i32.const 1)))
        (br $nextByte)))
    (local.get $power)))
