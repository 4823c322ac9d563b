#include "sft_sentencepiece.h"

#include <sentencepiece_processor.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <string>
#include <string_view>
#include <vector>

struct sft_sentencepiece {
  sentencepiece::SentencePieceProcessor processor;
  int32_t piece_count = 0;
};

namespace {

static_assert(sizeof(int) == sizeof(int32_t), "ids are handed over as they are");

sft_sentencepiece_status refuse(sft_sentencepiece_message message, const char *words) {
  if (message.capacity > 0) {
    size_t count = strnlen(words, message.capacity - 1);
    std::memcpy(message.text, words, count);
    message.text[count] = 0;
  }
  return SFT_SENTENCEPIECE_REFUSED;
}

/// Runs a body that returns a status, and turns whatever it throws into one.
template <typename Body>
sft_sentencepiece_status guarded(sft_sentencepiece_message message, Body body) {
  if (message.capacity > 0) message.text[0] = 0;
  try {
    return body();
  } catch (const std::bad_alloc &) {
    return SFT_SENTENCEPIECE_NO_MEMORY;
  } catch (const std::exception &error) {
    return refuse(message, error.what());
  } catch (...) {
    return refuse(message, "an exception without words");
  }
}

/// Memory that was asked for in C. With calloc, as all C code here: tests refuse it.
void *allocate(size_t count, size_t size) {
  void *result = std::calloc(count, size);
  if (result == nullptr) throw std::bad_alloc();
  return result;
}

/// Checks that there is room for the messages that the library builds of a model, a text or ids:
/// its protobuf does not survive a refusal half-way, it ends the process.
void check_room(size_t count, size_t bytes_for_each) {
  const size_t bytes_at_least = 16384;
  std::free(allocate(bytes_at_least + bytes_for_each * count, 1));
}

/// A copy for `free`, null where there is nothing to copy.
template <typename Element>
Element *copy(const Element *source, size_t count) {
  if (count == 0) return nullptr;
  void *result = allocate(count, sizeof(Element));
  std::memcpy(result, source, count * sizeof(Element));
  return static_cast<Element *>(result);
}

bool in_range(const sft_sentencepiece *model, int32_t id) {
  return id >= 0 && id < model->piece_count;
}

}  // namespace

sft_sentencepiece_status sft_sentencepiece_load(const void *bytes, size_t count,
                                                sft_sentencepiece **loaded,
                                                sft_sentencepiece_message message) {
  *loaded = nullptr;
  return guarded(message, [&] {
    // A piece takes 16 bytes or so of a file, and 130 of memory.
    check_room(count, 16);
    auto model = std::make_unique<sft_sentencepiece>();
    const auto serialized = std::string_view(static_cast<const char *>(bytes), count);
    const auto status = model->processor.LoadFromSerializedProto(serialized);
    if (!status.ok()) return refuse(message, status.error_message());
    model->piece_count = model->processor.GetPieceSize();
    *loaded = model.release();
    return SFT_SENTENCEPIECE_OK;
  });
}

void sft_sentencepiece_free(sft_sentencepiece *model) { delete model; }

sft_sentencepiece_status sft_sentencepiece_encode(const sft_sentencepiece *model, const void *text,
                                                  size_t count, int32_t **ids, size_t *id_count,
                                                  sft_sentencepiece_message message) {
  *ids = nullptr;
  *id_count = 0;
  return guarded(message, [&] {
    // A byte in four or so begins a piece.
    check_room(count, 64);
    std::vector<int> result;
    const auto input = std::string_view(static_cast<const char *>(text), count);
    const auto status = model->processor.Encode(input, &result);
    if (!status.ok()) return refuse(message, status.error_message());
    *ids = copy<int32_t>(result.data(), result.size());
    *id_count = result.size();
    return SFT_SENTENCEPIECE_OK;
  });
}

void sft_sentencepiece_free_ids(int32_t *ids) { std::free(ids); }

sft_sentencepiece_status sft_sentencepiece_decode(const sft_sentencepiece *model,
                                                  const int32_t *ids, size_t count, uint8_t **text,
                                                  size_t *text_count,
                                                  sft_sentencepiece_message message) {
  *text = nullptr;
  *text_count = 0;
  return guarded(message, [&] {
    check_room(count, 1024);
    std::string result;
    const auto status = model->processor.Decode(std::vector<int>(ids, ids + count), &result);
    if (!status.ok()) return refuse(message, status.error_message());
    *text = copy(reinterpret_cast<const uint8_t *>(result.data()), result.size());
    *text_count = result.size();
    return SFT_SENTENCEPIECE_OK;
  });
}

void sft_sentencepiece_free_text(uint8_t *text) { std::free(text); }

int32_t sft_sentencepiece_piece_count(const sft_sentencepiece *model) { return model->piece_count; }

const uint8_t *sft_sentencepiece_piece(const sft_sentencepiece *model, int32_t id, size_t *count) {
  *count = 0;
  if (!in_range(model, id)) return nullptr;
  const std::string &piece = model->processor.IdToPiece(id);
  *count = piece.size();
  return reinterpret_cast<const uint8_t *>(piece.data());
}

int32_t sft_sentencepiece_id(const sft_sentencepiece *model, const void *piece, size_t count) {
  try {
    return model->processor.PieceToId(std::string_view(static_cast<const char *>(piece), count));
  } catch (...) {
    return -1;
  }
}

int32_t sft_sentencepiece_bos(const sft_sentencepiece *model) { return model->processor.bos_id(); }
int32_t sft_sentencepiece_eos(const sft_sentencepiece *model) { return model->processor.eos_id(); }
int32_t sft_sentencepiece_unknown(const sft_sentencepiece *model) {
  return model->processor.unk_id();
}

bool sft_sentencepiece_is_control(const sft_sentencepiece *model, int32_t id) {
  return in_range(model, id) && model->processor.IsControl(id);
}

bool sft_sentencepiece_is_unused(const sft_sentencepiece *model, int32_t id) {
  return in_range(model, id) && model->processor.IsUnused(id);
}

bool sft_sentencepiece_is_byte(const sft_sentencepiece *model, int32_t id) {
  return in_range(model, id) && model->processor.IsByte(id);
}
