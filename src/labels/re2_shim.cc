/* SPDX-License-Identifier: Apache-2.0 */
/* re2_shim.cc -- regex.h over RE2. No exception leaves this file (RE2 throws none but bad_alloc). */
#include "labels/regex.h"

#include <new>
#include <string>
#include <vector>

#include <re2/re2.h>

struct sk_regex {
    RE2 *re;
    bool anchored;
    std::vector<std::string> names; /* by group, from 1 */
};

namespace {

/* RE2 before 2023 does not know (?<name>...): write it as (?P<name>...). */
std::string modernise(const char *p, size_t n)
{
    std::string out;
    bool cls = false;
    for (size_t i = 0; i < n; i++) {
        if (p[i] == '\\' && i + 1 < n) {
            if (p[i + 1] == 'Q' && !cls) { /* \Q...\E is copied whole */
                size_t end = std::string(p + i, n - i).find("\\E");
                size_t len = end == std::string::npos ? n - i : end + 2;
                out.append(p + i, len);
                i += len - 1;
                continue;
            }
            out.append(p + i, 2);
            i++;
            continue;
        }
        if (cls) {
            if (p[i] == ']')
                cls = false;
        } else if (p[i] == '[') {
            cls = true;
            out.push_back(p[i]);
            if (i + 1 < n && p[i + 1] == '^')
                out.push_back(p[++i]);
            if (i + 1 < n && p[i + 1] == ']')
                out.push_back(p[++i]);
            continue;
        } else if (p[i] == '(' && i + 3 < n && p[i + 1] == '?' && p[i + 2] == '<') {
            out.append("(?P<");
            i += 2;
            continue;
        }
        out.push_back(p[i]);
    }
    return out;
}

re2::StringPiece piece(struct sk_str s)
{
    return re2::StringPiece(s.ptr == nullptr ? "" : s.ptr, s.len);
}

} // namespace

extern "C" enum sk_err sk_regex_create(struct sk_str pattern, unsigned flags,
                                       struct sk_regex **ret_regex, struct sk_error *reterr)
{
    try {
        RE2::Options opt;
        opt.set_log_errors(false);
        opt.set_max_mem(SK_REGEX_PROGRAM_BYTES_MAX);
        opt.set_dot_nl((flags & SK_REGEX_DOTALL) != 0);
        RE2 *re = new RE2(modernise(pattern.ptr == nullptr ? "" : pattern.ptr, pattern.len), opt);
        if (!re->ok()) {
            enum sk_err err =
                re->error_code() == RE2::ErrorPatternTooLarge ? SK_ELIMIT : SK_EPARSE;
            err = sk_error_set(reterr, err, "error parsing regexp: %s", re->error().c_str());
            delete re;
            return err;
        }
        if (re->NumberOfCapturingGroups() > SK_REGEX_GROUPS_MAX) {
            delete re;
            return sk_error_set(reterr, SK_ELIMIT, "error parsing regexp: more than %d groups",
                                SK_REGEX_GROUPS_MAX);
        }
        sk_regex *r = new sk_regex{re, (flags & SK_REGEX_ANCHORED) != 0, {}};
        r->names.resize((size_t)re->NumberOfCapturingGroups() + 1);
        for (const auto &g : re->CapturingGroupNames())
            r->names[(size_t)g.first] = g.second;
        *ret_regex = r;
        return SK_OK;
    } catch (const std::bad_alloc &) {
        return SK_ENOMEM;
    }
}

extern "C" void sk_regex_destroy(struct sk_regex *regex)
{
    if (regex == nullptr)
        return;
    delete regex->re;
    delete regex;
}

extern "C" bool sk_regex_match(const struct sk_regex *regex, struct sk_str text)
{
    return regex->re->Match(piece(text), 0, text.len,
                            regex->anchored ? RE2::ANCHOR_BOTH : RE2::UNANCHORED, nullptr, 0);
}

extern "C" size_t sk_regex_group_count(const struct sk_regex *regex)
{
    return regex->names.size() - 1;
}

extern "C" struct sk_str sk_regex_group_name(const struct sk_regex *regex, size_t idx)
{
    const std::string &n = regex->names[idx];
    return sk_str{n.data(), n.size()};
}

extern "C" bool sk_regex_find(const struct sk_regex *regex, struct sk_str text, size_t from,
                              struct sk_str *caps, size_t caps_count)
{
    re2::StringPiece got[SK_REGEX_GROUPS_MAX + 1];
    size_t n = caps_count < regex->names.size() ? caps_count : regex->names.size();
    if (from > text.len ||
        !regex->re->Match(piece(text), from, text.len,
                          regex->anchored ? RE2::ANCHOR_BOTH : RE2::UNANCHORED, got, (int)n))
        return false;
    for (size_t i = 0; i < caps_count; i++)
        caps[i] = i < n ? sk_str{got[i].data(), got[i].size()} : sk_str{nullptr, 0};
    return true;
}
