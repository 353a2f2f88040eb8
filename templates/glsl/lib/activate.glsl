{% if activation == "gelu_tanh" %}
// gelu_pytorch_tanh: x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), written with one exponential that cannot overflow to NaN.
float activate(float x) {
    const float z = 1.5957691216057308 * (x + 0.044715 * x * x * x);
    return x / (1.0 + exp(-z));
}
{% else %}
float activate(float x) { return x / (1.0 + exp(-x)); }  // SiLU
{% endif %}
