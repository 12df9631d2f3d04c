// A harness with its own parser of JSON.  Build it: c++ -O2 -std=c++17 -o harness harness.cpp
// python -m refsnn run --only lif_forward bptt bptt_detached -- ./harness
// For one file:  ./harness file < bptt.json > results.json
#include <cmath>
#include <cstdio>
#include <iostream>
#include <map>
#include <string>
#include <vector>
using std::string; using Row = std::vector<double>;

const char* comma;                                  // before the next output: "" for the first
struct Json { string text; std::vector<Json> list; std::map<string, Json> at; double number = 0; };

Json parse(const string& s, size_t& i) {            // strings hold no quotation marks
    auto skip = [&] { while (isspace(s[i]) || s[i] == ',' || s[i] == ':') i++; };
    auto word = [&] { size_t from = i + 1; i = s.find('"', from) + 1; return s.substr(from, i - from - 1); };
    Json found;
    char kind = (skip(), s[i]), *end;
    if (kind == '"') return found.text = word(), found;
    if (kind == '{') for (i++, skip(); s[i] != '}'; skip()) { string key = word(); found.at[key] = parse(s, i); }
    else if (kind == '[') for (i++, skip(); s[i] != ']'; skip()) found.list.push_back(parse(s, i));
    else if (isalpha(kind)) while (isalpha(s[i + 1])) i++;          // true, false, null
    else return found.number = strtod(&s[i], &end), i = end - s.data(), found;
    return i++, found;
}

void write(const string& name, const std::vector<size_t>& shape, const Row& row) {
    printf("%s\"%s\": {\"dtype\": \"float64\", \"shape\": [", comma, name.c_str()), comma = ", ";
    for (size_t k = 0; k < shape.size(); k++) printf("%s%zu", k ? "," : "", shape[k]);
    for (size_t k = 0; k < row.size(); k++) printf("%s%.17g", k ? "," : "], \"data\": [", row[k]);
    printf("]}");
}

void answer(Json& inputs, const string& vector, const string& prefix) {
    auto data = [&](const char* name) {
        Row row;
        for (Json& value : inputs.at[name].at["data"].list) row.push_back(value.number);
        return row; };
    auto constant = [&](const char* name) { Row row = data(name); return row.empty() ? 0 : row[0]; };
    Row x = data("x"), W = data("W"), V = data("V"), target = data("target");
    std::vector<Json>& shape = inputs.at["x"].at["shape"].list;
    size_t T = shape[0].number, B = shape[1].number, m = shape[2].number, n = W.size() / m, N = T * B * n;
    double alpha = constant("alpha"), beta = constant("beta"), gain = constant("gain"), loss = 0,
           threshold = constant("threshold"), steepness = constant("steepness");
    Row I(N + B * n), U = I, S = I, dI = I, dU = I, dW(W.size()), dV(V.size());
    for (size_t at = 0; at < N; at++) {             // at = (t B + b) n + k, from step 0
        size_t k = at % n, row = at - k, next = at + B * n;
        if (!k) for (size_t j = 0; j < n; j++) S[at + j] = U[at + j] > threshold;
        I[next] = alpha * I[at];
        for (size_t j = 0; j < m; j++) I[next] += W[k * m + j] * x[row / n * m + j];
        for (size_t j = 0; j < n; j++) I[next] += V[k * n + j] * S[row + j];
        U[next] = beta * U[at] + gain * I[at] - threshold * S[at]; }
    for (size_t at = target.empty() ? 0 : N; at-- > 0;) {           // from the last step
        size_t k = at % n, row = at - k, next = at + B * n;
        double error = S[at] - target[at], dS = error / B - (vector != "bptt_detached") * threshold * dU[next];
        for (size_t j = 0; j < n; j++) dS += V[j * n + k] * dI[next - k + j];
        dU[at] = beta * dU[next] + dS / pow(1 + steepness * fabs(U[at] - threshold), 2);
        dI[at] = alpha * dI[next] + gain * dU[next];
        for (size_t j = 0; j < m; j++) dW[k * m + j] += dI[next] * x[row / n * m + j];
        for (size_t j = 0; j < n; j++) dV[k * n + j] += dI[next] * S[row + j];
        loss += error * error / (2 * B); }
    I.resize(N), U.resize(N), S.resize(N);
    write(prefix + "spikes", {T, B, n}, S), write(prefix + "mem", {T, B, n}, U);
    if (target.empty()) return write(prefix + "syn", {T, B, n}, I);
    write(prefix + "loss", {}, {loss}), write(prefix + "dW", {n, m}, dW), write(prefix + "dV", {n, n}, dV);
}

int main(int count, char**) {                       // with an argument: one file, not lines
    for (string line; count > 1 ? getline(std::cin, line, '\0') : getline(std::cin, line); fflush(stdout)) {
        size_t i = 0; Json request = (comma = "", parse(line, i));
        string vector = request.at["vector"].text, name = request.at["id"].text;
        if (count == 1) printf("{\"id\": %.0f, ", request.at["id"].number);
        if (count > 1) printf("{"), answer(request.at["inputs"], name, name + "."), puts("}");
        else if (vector.empty()) puts("\"tool\": \"harness in C++\", \"version\": \"1\"}");
        else if (vector != "lif_forward" && vector != "bptt" && vector != "bptt_detached")
            puts("\"skipped\": \"this harness knows only recurrent LIF layers\"}");
        else printf("\"outputs\": {"), answer(request.at["inputs"], vector, ""), puts("}}");
    }
}
